--- `User` autocommands, so that other plugins can follow what happens.
local compat = require('assistant.compat')

local M = {}

--- Emits `User {name}` with `data`, e.g. `emit('AssistantReady', { version = '0.1.0' })`.
---@param name string
---@param data table?
function M.emit(name, data)
  local options = { pattern = name, modeline = false }
  if compat.has_event_data then
    options.data = data or {}
  else
    vim.g.assistant_event = data or vim.empty_dict()
  end
  local ok, err = pcall(vim.api.nvim_exec_autocmds, 'User', options)
  if not ok then
    require('assistant.log').warn('a %s autocommand failed: %s', name, err)
  end
end

return M
