--- Puts accepted text into the buffer as one undo step, and says what a word or a line of it is.
local M = {}

--- Returns the first word of a suggestion with the white space before it. A word is a run of
--- letters, digits, underscores and non-ASCII characters, or a run of other signs.
---@param text string
---@return string
function M.word(text)
  local space = text:match('^%s*')
  local rest = text:sub(#space + 1)
  local run = rest:match('^[%w_\128-\255]+') or rest:match('^[^%w_%s\128-\255]+') or ''
  return space .. run
end

--- Returns the suggestion up to the end of its first line; one that begins with a line break goes
--- up to the end of the next.
---@param text string
---@return string
function M.line(text)
  return text:match('^\n?[^\n]*')
end

--- Inserts text at the cursor of the current window and puts the cursor behind it.
---
--- Undo is broken before and after: `u` takes back exactly this text, and what is typed next is a
--- step of its own.
---@param text string
---@param delete integer bytes right of the cursor that the text replaces
function M.insert(text, delete)
  -- Setting this option to its own value is the documented way to break undo from a function.
  vim.cmd('noautocmd let &g:undolevels = &g:undolevels')
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  local lines = vim.split(text, '\n', { plain = true })
  vim.api.nvim_buf_set_text(0, row - 1, col, row - 1, col + delete, lines)
  local last = lines[#lines]
  local end_col = #lines == 1 and col + #last or #last
  vim.api.nvim_win_set_cursor(0, { row + #lines - 1, end_col })
  -- Only a key can make insert mode save the line again for what is typed next.
  local undo_break = vim.api.nvim_replace_termcodes('<C-g>u', true, false, true)
  vim.api.nvim_feedkeys(undo_break, 'ni', false)
end

return M
