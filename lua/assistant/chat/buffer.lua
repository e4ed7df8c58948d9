--- One chat's buffer: its windows, its locked writes, its virtual text. Knows no conversation.
local config = require('assistant.config')

local M = {}

M.namespace = vim.api.nvim_create_namespace('assistant.chat')

--- Fewest columns that a chat at the side leaves to the code.
local CODE_COLUMNS = 60

for group, link in pairs({
  AssistantChatUser = 'Title',
  AssistantChatAnswer = 'Identifier',
  AssistantChatState = 'Comment',
  AssistantChatMeter = 'Comment',
  AssistantChatSource = 'Directory',
  AssistantChatError = 'WarningMsg',
}) do
  vim.api.nvim_set_hl(0, group, { link = link, default = true })
end

---@class assistant.ChatBuffer
---@field bufnr integer
---@field private is_locked boolean
---@field private is_joining boolean whether the next write belongs to the same undo step
---@field private state_mark integer?
local Buffer = {}
Buffer.__index = Buffer

local count = 0

---@return assistant.ChatBuffer
function M.new()
  local bufnr = vim.api.nvim_create_buf(false, true)
  repeat
    count = count + 1
    local named = pcall(vim.api.nvim_buf_set_name, bufnr, 'assistant://chat/' .. count)
  until named
  vim.bo[bufnr].bufhidden = 'hide'
  vim.bo[bufnr].swapfile = false
  vim.bo[bufnr].filetype = 'assistant-chat'
  return setmetatable({ bufnr = bufnr, is_locked = false, is_joining = false }, Buffer)
end

---@return boolean
function Buffer:is_valid()
  return vim.api.nvim_buf_is_valid(self.bufnr) and vim.api.nvim_buf_is_loaded(self.bufnr)
end

--- Returns the window that shows the chat in this tab page, or nil.
---@return integer?
function Buffer:window()
  local win = vim.fn.bufwinid(self.bufnr)
  return win ~= -1 and win or nil
end

local function open_float(bufnr)
  local width = math.min(config.get().chat.width, math.max(vim.o.columns - 4, 1))
  local height = math.max(math.floor(vim.o.lines * 0.8) - 2, 1)
  return vim.api.nvim_open_win(bufnr, true, {
    relative = 'editor',
    width = width,
    height = height,
    col = math.floor((vim.o.columns - width) / 2),
    row = math.floor((vim.o.lines - height) / 2) - 1,
    border = 'rounded',
    style = 'minimal',
  })
end

---@param bufnr integer
local function open_split(bufnr)
  local position = config.get().chat.position
  if position == 'float' then
    open_float(bufnr)
    return
  end
  local commands = {
    right = 'botright vsplit',
    left = 'topleft vsplit',
    below = 'botright split',
    above = 'topleft split',
    tab = 'tab split',
  }
  vim.cmd(commands[position])
  vim.api.nvim_win_set_buf(0, bufnr)
  if position == 'right' or position == 'left' then
    local most = math.max(math.floor(vim.o.columns / 2), vim.o.columns - CODE_COLUMNS)
    vim.api.nvim_win_set_width(0, math.min(config.get().chat.width, most))
    vim.cmd('setlocal winfixwidth')
  elseif position ~= 'tab' then
    vim.api.nvim_win_set_height(0, math.max(math.floor(vim.o.lines * 0.4), 5))
    vim.cmd('setlocal winfixheight')
  end
end

--- Shows the chat, in a window of its own where none shows it yet.
---@param enter boolean whether the cursor goes there
---@return integer window
function Buffer:show(enter)
  local before = vim.api.nvim_get_current_win()
  local win = self:window()
  if win then
    vim.api.nvim_set_current_win(win)
  else
    open_split(self.bufnr)
    win = vim.api.nvim_get_current_win()
    vim.cmd('setlocal wrap linebreak nonumber norelativenumber nolist nospell')
    vim.cmd('setlocal signcolumn=no foldcolumn=0 colorcolumn=')
    self:to_end(win)
  end
  if not enter then
    vim.api.nvim_set_current_win(before)
  end
  return win
end

---@return integer
function Buffer:line_count()
  return vim.api.nvim_buf_line_count(self.bufnr)
end

---@param first integer 0-based
---@param last integer exclusive, -1 is the end
---@return string[]
function Buffer:lines(first, last)
  return vim.api.nvim_buf_get_lines(self.bufnr, first, last, false)
end

--- Puts a window's cursor behind the last character.
---@param win integer
function Buffer:to_end(win)
  local row = self:line_count()
  vim.api.nvim_win_set_cursor(win, { row, #self:lines(row - 1, row)[1] })
end

---@private
---@return integer[] windows whose cursor is in the last line
function Buffer:windows_at_end()
  local last = self:line_count()
  local is_selecting = vim.fn.mode():match('[vV\22sS\19]') ~= nil
  return vim.tbl_filter(function(win)
    if is_selecting and win == vim.api.nvim_get_current_win() then
      return false
    end
    return vim.api.nvim_win_get_cursor(win)[1] == last
  end, vim.fn.win_findbuf(self.bufnr))
end

--- Begins one undo step: all writes until `unlock` are one entry, and the person can't write.
function Buffer:lock()
  self.is_locked = true
  self.is_joining = false
  -- Setting the option ends the undo step that is open, also where the chat is not current.
  vim.bo[self.bufnr].undolevels = vim.bo[self.bufnr].undolevels
  vim.bo[self.bufnr].modifiable = false
end

--- Lets the person write again; what they write is an undo step of its own.
function Buffer:unlock()
  self.is_locked = false
  self.is_joining = false
  vim.bo[self.bufnr].modifiable = true
  vim.bo[self.bufnr].undolevels = vim.bo[self.bufnr].undolevels
end

--- Changes the text by `fn`. Windows whose cursor is at the end stay at the end, others stay.
---@param fn fun()
function Buffer:write(fn)
  local following = self:windows_at_end()
  vim.bo[self.bufnr].modifiable = true
  if self.is_joining then
    vim.api.nvim_buf_call(self.bufnr, function()
      -- After an undo there is nothing to join (E790).
      pcall(vim.cmd, 'undojoin')
    end)
  end
  self.is_joining = self.is_locked
  local ok, err = pcall(fn)
  vim.bo[self.bufnr].modifiable = not self.is_locked
  vim.bo[self.bufnr].modified = false
  for _, win in ipairs(following) do
    self:to_end(win)
  end
  if not ok then
    error(err, 0)
  end
end

--- Appends text behind the last character. Costs as much as the text is long.
---@param text string
function Buffer:append(text)
  self:write(function()
    local row = self:line_count() - 1
    local col = #self:lines(row, row + 1)[1]
    local lines = vim.split(text:gsub('\r', ''):gsub('%z', '\239\191\189'), '\n', { plain = true })
    vim.api.nvim_buf_set_text(self.bufnr, row, col, row, col, lines)
  end)
end

--- Replaces everything from a row on.
---@param row integer 0-based
---@param lines string[]
function Buffer:replace_from(row, lines)
  -- Marks of lines that go would gather where they were.
  vim.api.nvim_buf_clear_namespace(self.bufnr, M.namespace, row, -1)
  self:write(function()
    vim.api.nvim_buf_set_lines(self.bufnr, row, -1, false, lines)
  end)
end

--- Takes away empty lines at the end, down to one line.
---@param first integer 0-based row, the first that may go
function Buffer:trim_end(first)
  local last = self:line_count()
  local row = last
  while row > first + 1 and self:lines(row - 1, row)[1]:match('^%s*$') do
    row = row - 1
  end
  if row < last then
    self:replace_from(row, {})
  end
end

--- Marks a line; the mark moves with it.
---@param row integer 0-based
---@param group string? highlight of the line
---@return integer mark
function Buffer:mark(row, group)
  local text = self:lines(row, row + 1)[1]
  return vim.api.nvim_buf_set_extmark(self.bufnr, M.namespace, row, 0, {
    end_col = group and #text or nil,
    hl_group = group,
  })
end

---@param mark integer
---@return integer? row 0-based
function Buffer:row_of(mark)
  return vim.api.nvim_buf_get_extmark_by_id(self.bufnr, M.namespace, mark, {})[1]
end

--- Shows virtual text behind a line; nil takes it away.
---@param row integer? 0-based
---@param text string?
---@param group string?
function Buffer:set_state(row, text, group)
  if not self:is_valid() then
    return
  end
  if not text or not row then
    if self.state_mark then
      vim.api.nvim_buf_del_extmark(self.bufnr, M.namespace, self.state_mark)
      self.state_mark = nil
    end
    return
  end
  self.state_mark = vim.api.nvim_buf_set_extmark(self.bufnr, M.namespace, row, 0, {
    id = self.state_mark,
    virt_text = { { text, group or 'AssistantChatState' } },
  })
end

--- Switches Markdown highlighting: on a growing answer it costs 10 ms a token.
---@param on boolean
function Buffer:highlight(on)
  if not vim.api.nvim_buf_is_valid(self.bufnr) then
    return
  end
  local start = vim.treesitter and vim.treesitter.start
  if not on then
    if start then
      pcall(vim.treesitter.stop, self.bufnr)
    end
    vim.bo[self.bufnr].syntax = ''
  elseif not (start and pcall(start, self.bufnr, 'markdown')) then
    vim.bo[self.bufnr].syntax = 'markdown'
  end
end

return M
