--- Gathers what the trigger's rules need to know of the editor.
local config = require('assistant.config')
local document = require('assistant.document')
local switch = require('assistant.completion.switch')

local M = {}

--- Returns the current window as the trigger sees it.
---@param kind integer 1 invoked, 2 automatic
---@return assistant.TriggerView
function M.here(kind)
  local bufnr = vim.api.nvim_get_current_buf()
  local col = vim.api.nvim_win_get_cursor(0)[2]
  return {
    kind = kind,
    is_enabled = switch.is_enabled(bufnr),
    is_eligible = vim.fn.getcmdwintype() == '' and document.is_eligible(bufnr),
    is_recording = vim.fn.reg_recording() ~= '' or vim.fn.reg_executing() ~= '',
    is_menu_visible = vim.fn.pumvisible() == 1,
    mode = vim.api.nvim_get_mode().mode,
    filetype = vim.bo.filetype,
    filetypes = config.get().completion.filetypes,
    right = vim.api.nvim_get_current_line():sub(col + 1),
  }
end

return M
