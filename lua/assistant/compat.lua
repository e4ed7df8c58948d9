--- Every difference between Neovim versions lives here; no other file asks for a version.
local M = {}

M.uv = vim.uv or vim.loop

--- Virtual text between characters, which pushes the rest of the line to the right.
M.has_inline_text = vim.fn.has('nvim-0.10') == 1

--- `data` of a `User` event; before, the same table is put into `vim.g.assistant_event`.
M.has_event_data = vim.fn.has('nvim-0.8') == 1

--- Whether a table is a list; an empty one is.
M.is_list = vim.islist or vim.tbl_islist

M.is_windows = vim.fn.has('win32') == 1

--- Returns the functions of a `:checkhealth` report by the names that they have since 0.10.
---@return table<string, function>
function M.health()
  local health = vim.health or require('health')
  return {
    start = health.start or health.report_start,
    ok = health.ok or health.report_ok,
    info = health.info or health.report_info,
    warn = health.warn or health.report_warn,
    error = health.error or health.report_error,
  }
end

--- Returns the directory for log files.
---@return string
function M.log_dir()
  -- stdpath('log') came with 0.8 and raises before.
  return vim.fn.stdpath(vim.fn.has('nvim-0.8') == 1 and 'log' or 'cache')
end

--- Returns the options that a mapping needs to be set again as `nvim_buf_get_keymap` found it.
---@param map table
---@return table
function M.keymap_options(map)
  local options = {
    callback = map.callback,
    desc = map.desc,
    expr = map.expr == 1,
    noremap = map.noremap == 1,
    nowait = map.nowait == 1,
    script = map.script == 1,
    silent = map.silent == 1,
  }
  if vim.fn.has('nvim-0.8') == 1 and map.expr == 1 then
    options.replace_keycodes = map.replace_keycodes == 1
  end
  return options
end

--- Reads JSON with `null` as nil.
---@param line string
---@return any
function M.json_decode(line)
  return vim.json.decode(line, { luanil = { object = true, array = true } })
end

return M
