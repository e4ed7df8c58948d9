--- Whether completion is on: for this buffer, else everywhere, else as configured.
local config = require('assistant.config')

local M = {}

---@type boolean? nil: as configured
local everywhere

--- Whether completion is on for a buffer.
---@param bufnr integer
---@return boolean
function M.is_enabled(bufnr)
  local here = vim.b[bufnr].assistant_enabled
  if here ~= nil then
    return here
  end
  if everywhere ~= nil then
    return everywhere
  end
  return config.get().completion.enabled
end

--- Switches completion over, everywhere or for one buffer only. Returns whether it is on now.
---@param bufnr integer? nil: everywhere, whatever single buffers had
---@return boolean
function M.toggle(bufnr)
  if bufnr then
    local flag = not M.is_enabled(bufnr)
    vim.b[bufnr].assistant_enabled = flag
    return flag
  end
  local before = everywhere
  if before == nil then
    before = config.get().completion.enabled
  end
  everywhere = not before
  return everywhere
end

return M
