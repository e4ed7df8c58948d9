--- What the keys of a chat buffer do.
local code = require('assistant.chat.code')
local message = require('assistant.message')
local sources = require('assistant.chat.sources')

local M = {}

--- Keys of a chat buffer; the help and `g?` are made from it.
M.keys = {
  { 'n', '<CR>', 'enter', 'send the question; on a source: jump to it' },
  { 'i', '<C-s>', 'send', 'send the question' },
  { 'n', '<C-s>', 'send', 'send the question' },
  { 'n', '<C-c>', 'stop', 'stop the answer; what is there stays' },
  { 'n', 'gr', 'regenerate', 'ask the last question again' },
  { 'n', 'gf', 'jump', 'jump to the source under the cursor' },
  { 'n', 'gy', 'yank_block', 'yank the code block under the cursor' },
  { 'n', 'gi', 'insert_block', 'insert the code block at the cursor of the code window' },
  { 'n', 'ge', 'edit', 'edit the question under the cursor and go on from there' },
  { 'n', 'gX', 'clear', 'clear the chat' },
  { 'n', 'g?', 'help', 'list these keys' },
}

---@param chat assistant.Conversation
function M.send(chat)
  local question = chat:draft()
  if chat:is_running() then
    message.info('an answer is being written; <C-c> stops it.')
  elseif question == '' then
    message.info(('write a question below the last "%s", then send it.'):format('You'))
  else
    chat:ask({ question = question })
  end
end

---@param chat assistant.Conversation
---@return boolean jumped
local function try_jump(chat)
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  local line = vim.api.nvim_get_current_line()
  local turn = chat:turn_at(row - 1)
  local root = turn and turn.root_uri and vim.uri_to_fname(turn.root_uri) or chat:root()
  local function readable(path)
    local file = path and sources.resolve(path, root)
    return file and vim.fn.filereadable(file) == 1 and file or nil
  end
  local path, number = sources.at(line, col)
  local file = readable(path)
  if not file then
    path, number = sources.whole(line)
    file = readable(path)
  end
  return file ~= nil and code.open(file, number or 1)
end

---@param chat assistant.Conversation
function M.enter(chat)
  local row = vim.api.nvim_win_get_cursor(0)[1]
  if row - 1 < chat:prompt_row() and try_jump(chat) then
    return
  end
  M.send(chat)
end

---@param chat assistant.Conversation
function M.jump(chat)
  if not try_jump(chat) then
    message.info('there is no source under the cursor.')
  end
end

---@param chat assistant.Conversation
function M.stop(chat)
  chat:stop()
end

---@param chat assistant.Conversation
function M.regenerate(chat)
  if chat:is_running() then
    message.info('an answer is being written; <C-c> stops it.')
  elseif not chat:regenerate() then
    message.info('there is no question to ask again.')
  end
end

--- Returns the lines of the fenced block around a row, or nil. Pure.
---@param lines string[]
---@param row integer 1-based
---@return string[]?
function M.block_at(lines, row)
  local first, fence
  for index, line in ipairs(lines) do
    local ticks = line:match('^%s*(```+)') or line:match('^%s*(~~~+)')
    if not first and ticks then
      first, fence = index, ticks
    elseif first and ticks and vim.startswith(ticks, fence) and line:match('^%s*[`~]+%s*$') then
      if row >= first and row <= index then
        return vim.list_slice(lines, first + 1, index - 1)
      end
      first = nil
    end
    if index > row and not first then
      return nil
    end
  end
  -- An answer that was stopped may leave its block open.
  if first and row >= first then
    return vim.list_slice(lines, first + 1)
  end
  return nil
end

---@param chat assistant.Conversation
---@return string[]?
local function block(chat)
  local row = vim.api.nvim_win_get_cursor(0)[1]
  -- A block that an answer leaves open ends with that answer.
  local lines, first = chat:answer_at(row - 1)
  local found = lines and M.block_at(lines, row - first)
  if not found or #found == 0 then
    message.info('there is no code block under the cursor.')
    return nil
  end
  return found
end

---@param chat assistant.Conversation
function M.yank_block(chat)
  local lines = block(chat)
  if lines then
    vim.fn.setreg(vim.v.register, lines, 'l')
    message.info(('%d lines yanked.'):format(#lines))
  end
end

---@param chat assistant.Conversation
function M.insert_block(chat)
  local lines = block(chat)
  local win = code.window()
  if not lines then
    return
  end
  local bufnr = win and vim.api.nvim_win_get_buf(win)
  if not win or not bufnr or not vim.bo[bufnr].modifiable then
    message.info('there is no window with a buffer to insert into.')
    return
  end
  local row = vim.api.nvim_win_get_cursor(win)[1]
  local current = vim.api.nvim_buf_get_lines(bufnr, row - 1, row, false)[1]
  -- A blank line was waiting for it; otherwise it goes below the cursor's line, as with `p`.
  local first = current:match('^%s*$') and row - 1 or row
  vim.api.nvim_buf_set_lines(bufnr, first, row, false, lines)
  vim.api.nvim_win_set_cursor(win, { first + 1, 0 })
  vim.api.nvim_set_current_win(win)
end

---@param chat assistant.Conversation
function M.edit(chat)
  if chat:is_running() then
    message.info('an answer is being written; <C-c> stops it.')
    return
  end
  local turn = chat:turn_at(vim.api.nvim_win_get_cursor(0)[1] - 1)
  if not turn then
    message.info('there is no question under the cursor.')
    return
  end
  chat:edit(turn)
  chat.buffer:to_end(0)
end

---@param chat assistant.Conversation
function M.clear(chat)
  chat:clear()
end

function M.help()
  local lines = {}
  for _, key in ipairs(M.keys) do
    local mode = key[1] == 'i' and '(insert)' or ''
    table.insert(lines, (' %-6s %-9s %s '):format(key[2], mode, key[4]))
  end
  local width = 0
  for _, line in ipairs(lines) do
    width = math.max(width, vim.fn.strdisplaywidth(line))
  end
  local bufnr = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_lines(bufnr, 0, -1, false, lines)
  vim.bo[bufnr].modifiable = false
  vim.bo[bufnr].bufhidden = 'wipe'
  local win = vim.api.nvim_open_win(bufnr, true, {
    relative = 'editor',
    width = math.min(width, vim.o.columns - 4),
    height = math.min(#lines, vim.o.lines - 4),
    row = math.max(math.floor((vim.o.lines - #lines) / 2) - 2, 0),
    col = math.max(math.floor((vim.o.columns - width) / 2) - 1, 0),
    border = 'rounded',
    style = 'minimal',
  })
  for _, key in ipairs({ 'q', '<Esc>', '<CR>', 'g?' }) do
    vim.api.nvim_buf_set_keymap(bufnr, 'n', key, '', {
      nowait = true,
      noremap = true,
      callback = function()
        if vim.api.nvim_win_is_valid(win) then
          vim.api.nvim_win_close(win, true)
        end
      end,
    })
  end
end

--- Maps the keys in a chat's buffer.
---@param chat assistant.Conversation
function M.attach(chat)
  local bufnr = chat.buffer.bufnr
  for _, key in ipairs(M.keys) do
    local mode, lhs, action, desc = unpack(key)
    local options = { nowait = true, noremap = true, silent = true, desc = desc }
    local function run()
      M[action](chat)
    end
    if mode == 'i' then
      -- Leaving insert mode first ends the undo step of what was typed.
      local target = ('<Plug>(assistant-chat-%s)'):format(action)
      vim.api.nvim_buf_set_keymap(bufnr, 'n', target, '', { noremap = true, callback = run })
      options.noremap = false
      vim.api.nvim_buf_set_keymap(bufnr, 'i', lhs, '<Esc>' .. target, options)
    else
      options.callback = run
      vim.api.nvim_buf_set_keymap(bufnr, mode, lhs, '', options)
    end
  end
end

return M
