local M = {}

local defaults = { width = 80, border = 'rounded' }

---Merges the options of the person into the defaults.
function M.setup(opts)
  M.options = vim.tbl_deep_extend('force', defaults, opts or {})
end

function M:open_window()
  local function center(total, size)
    return math.floor((total - size) / 2)
  end
  return center(vim.o.columns, self.options.width)
end

M.close = function()
  M.options = nil
end

local function is_open()
  return M.options ~= nil
end

M.is_open = is_open

return M
