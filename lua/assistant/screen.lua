--- Scratch windows that show text to read: status, context.
local M = {}

--- Shows lines in a scratch split, closed by `q`. A window that shows this name is used again.
---@param name string the buffer's name below `assistant://`
---@param lines string[]
---@param filetype string?
---@return integer bufnr
function M.show(name, lines, filetype)
  local full = 'assistant://' .. name
  local bufnr
  for _, known in ipairs(vim.api.nvim_list_bufs()) do
    if vim.api.nvim_buf_get_name(known) == full then
      bufnr = known
    end
  end
  if not bufnr then
    bufnr = vim.api.nvim_create_buf(false, true)
    vim.api.nvim_buf_set_name(bufnr, full)
    vim.bo[bufnr].bufhidden = 'wipe'
    vim.api.nvim_buf_set_keymap(bufnr, 'n', 'q', '<Cmd>close<CR>', {
      noremap = true,
      nowait = true,
      silent = true,
    })
  end
  -- No line of a buffer may hold a line break.
  local flat = {}
  for _, line in ipairs(lines) do
    vim.list_extend(flat, vim.split(line, '\n', { plain = true }))
  end
  vim.bo[bufnr].modifiable = true
  vim.api.nvim_buf_set_lines(bufnr, 0, -1, false, flat)
  vim.bo[bufnr].modifiable = false
  local win = vim.fn.bufwinid(bufnr)
  if win == -1 then
    vim.cmd('botright split')
    vim.api.nvim_win_set_buf(0, bufnr)
    vim.cmd('setlocal nonumber norelativenumber signcolumn=no foldcolumn=0 nolist nospell')
    local height = math.min(#flat + 1, math.floor(vim.o.lines * 0.6))
    vim.api.nvim_win_set_height(0, math.max(height, 3))
  else
    vim.api.nvim_set_current_win(win)
  end
  vim.bo[bufnr].filetype = filetype or 'assistant'
  vim.api.nvim_win_set_cursor(0, { 1, 0 })
  return bufnr
end

return M
