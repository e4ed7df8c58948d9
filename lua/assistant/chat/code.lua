--- The window that the person edits code in: what the chat is about and where sources open.
local document = require('assistant.document')

local M = {}

--- How many windows back it looks for one that still shows code.
local REMEMBERED = 8

---@type integer[] newest first
local windows = {}
---@type integer?
local last_bufnr

---@param win integer
---@return boolean
local function is_code(win)
  if not vim.api.nvim_win_is_valid(win) then
    return false
  end
  local is_float = vim.api.nvim_win_get_config(win).relative ~= ''
  return not is_float and vim.bo[vim.api.nvim_win_get_buf(win)].buftype == ''
end

local function remember()
  local win = vim.api.nvim_get_current_win()
  if not is_code(win) then
    return
  end
  last_bufnr = vim.api.nvim_win_get_buf(win)
  if win ~= windows[1] then
    table.insert(windows, 1, win)
    windows[REMEMBERED + 1] = nil
  end
end

vim.api.nvim_create_autocmd({ 'WinEnter', 'BufWinEnter' }, {
  group = vim.api.nvim_create_augroup('assistant.chat.code', {}),
  callback = remember,
})
remember()

--- Returns the window with an ordinary buffer that was last entered, or nil.
---@return integer?
function M.window()
  remember()
  local candidates = vim.list_extend(vim.deepcopy(windows), vim.api.nvim_tabpage_list_wins(0))
  return vim.tbl_filter(is_code, candidates)[1]
end

--- Returns the buffer of that window, of the last one where it was closed, or nil.
---@return integer?
function M.bufnr()
  local win = M.window()
  if win then
    return vim.api.nvim_win_get_buf(win)
  end
  local is_there = last_bufnr and vim.api.nvim_buf_is_loaded(last_bufnr)
  return is_there and last_bufnr or nil
end

--- Returns the root of the project that the code window is in, else that of the current folder.
---@return string?
function M.root_uri()
  return document.root_uri(M.bufnr())
end

--- Shows a file at a line in a window that is not the chat's, and goes there.
---@param path string
---@param line integer 1-based
---@return boolean
function M.open(path, line)
  local win = M.window()
  if win then
    vim.api.nvim_set_current_win(win)
  else
    vim.cmd('leftabove vsplit')
    -- The chat's look belongs to the chat.
    vim.cmd('setlocal winfixwidth< winfixheight< number< wrap< linebreak< signcolumn<')
  end
  vim.cmd("normal! m'")
  local command = 'edit ' .. vim.fn.fnameescape(vim.fn.fnamemodify(path, ':.'))
  local ok = pcall(vim.cmd, command) or pcall(vim.cmd, 'new | ' .. command)
  if not ok then
    require('assistant.message').error(("%s can't be opened."):format(path))
    return false
  end
  local last = vim.api.nvim_buf_line_count(0)
  vim.api.nvim_win_set_cursor(0, { math.max(1, math.min(line, last)), 0 })
  vim.cmd('normal! ^zv')
  return true
end

return M
