--- One chat: its turns, the request that runs, and how they stand in the buffer.
---
--- The text is the person's: what is asked is read below the last heading, and a turn whose heading
--- was undone or lies below what is asked now is no part of the conversation any more.
local buffer_module = require('assistant.chat.buffer')
local code = require('assistant.chat.code')
local event = require('assistant.event')
local footer = require('assistant.chat.footer')
local mentions = require('assistant.chat.mentions')
local methods = require('assistant.rpc.methods')
local stream_module = require('assistant.chat.stream')

local M = {}

M.USER = footer.USER
M.ANSWER = '# Assistant'

local STATES = {
  connecting = 'connecting',
  retrieving = 'retrieving',
  loading = 'loading model',
  reading = 'reading prompt',
  thinking = 'thinking',
  writing = 'writing',
}

---@class assistant.Turn
---@field question string as it stands in the buffer
---@field content string as it is sent
---@field action 'chat'|'explain'
---@field attachments table[]
---@field root_uri string?
---@field answer string
---@field user_mark integer
---@field answer_mark integer?
---@field end_mark integer? first line below the answer

---@class assistant.Conversation
---@field buffer assistant.ChatBuffer
---@field turns assistant.Turn[]
---@field pending table[] attachments of the next question that can't be written in it
---@field private stream assistant.Stream?
---@field private is_closed boolean? the buffer is gone
local Conversation = {}
Conversation.__index = Conversation

---@return assistant.Conversation
function M.new()
  local self =
    setmetatable({ buffer = buffer_module.new(), turns = {}, pending = {} }, Conversation)
  self:clear()
  return self
end

--- Whether an answer is being written.
---@return boolean
function Conversation:is_running()
  return self.stream ~= nil
end

---@return string? path of the root of the newest turn's project, else of the code window's
function Conversation:root()
  local turn = self.turns[#self.turns]
  local uri = turn and turn.root_uri or code.root_uri()
  return uri and vim.uri_to_fname(uri)
end

--- Returns the row of the heading below which the person writes.
---@return integer row 0-based
function Conversation:prompt_row()
  local lines = self.buffer:lines(0, -1)
  for index = #lines, 1, -1 do
    if lines[index] == M.USER then
      return index - 1
    end
  end
  return -1
end

--- Returns what the person has written below the last heading.
---@return string
function Conversation:draft()
  return vim.trim(table.concat(self.buffer:lines(self:prompt_row() + 1, -1), '\n'))
end

--- Writes below the last heading, instead of what stands there.
---@param text string
function Conversation:set_draft(text)
  local row = self:prompt_row()
  if row < 0 then
    self:clear()
    row = 0
  end
  local lines = vim.split(text, '\n', { plain = true })
  table.insert(lines, 1, '')
  self.buffer:replace_from(row + 1, lines)
end

--- Drops turns that no longer stand above a row, e.g. after an undo.
---@private
---@param row integer 0-based
function Conversation:keep_above(row)
  self.turns = vim.tbl_filter(function(turn)
    local at = self.buffer:row_of(turn.user_mark)
    return at ~= nil and at < row and self.buffer:lines(at, at + 1)[1] == M.USER
  end, self.turns)
end

---@private
---@param turn assistant.Turn
---@return table[] messages everything said so far, and the question
---@return table[] attachments of this turn and, but for an explanation, those before, each once
function Conversation:request_of(turn)
  local messages, attachments, seen = {}, {}, {}
  local function attach(items)
    for _, item in ipairs(items) do
      local key = vim.inspect(item)
      if not seen[key] then
        seen[key] = true
        table.insert(attachments, item)
      end
    end
  end
  attach(turn.attachments)
  for _, earlier in ipairs(self.turns) do
    if earlier ~= turn and earlier.answer ~= '' then
      table.insert(messages, { role = 'user', content = earlier.question })
      table.insert(messages, { role = 'assistant', content = earlier.answer })
      -- What is to be explained is all that is attached.
      attach(turn.action == 'explain' and {} or earlier.attachments)
    end
  end
  table.insert(messages, { role = 'user', content = turn.content })
  return messages, attachments
end

---@class assistant.ChatQuestion
---@field question string
---@field content string? what is sent, where it is not the question
---@field action ('chat'|'explain')?
---@field attachments table[]?

--- Asks. Returns false, and says why, where nothing can be asked now.
---@param asked assistant.ChatQuestion
---@return boolean
function Conversation:ask(asked)
  if self:is_running() then
    require('assistant.message').info('an answer is being written; <C-c> in the chat stops it.')
    return false
  end
  local uri = code.root_uri()
  local attachments, problems = {}, {}
  if asked.content == nil then
    attachments, problems = mentions.resolve(asked.question, uri and vim.uri_to_fname(uri))
  end
  if self:prompt_row() < 0 then
    self:clear()
  end
  local row = self:prompt_row()
  self:keep_above(row)
  local draft = self:draft()
  local turn = {
    question = asked.question,
    content = asked.content or asked.question,
    action = asked.action or 'chat',
    attachments = vim.list_extend(vim.deepcopy(asked.attachments or {}), attachments),
    root_uri = uri,
    answer = '',
  }
  if table.concat(self.buffer:lines(row + 1, -1), '\n') ~= '\n' .. asked.question then
    self:set_draft(asked.question)
  end
  turn.user_mark = self.buffer:mark(row, 'AssistantChatUser')
  table.insert(self.turns, turn)
  vim.list_extend(turn.attachments, self.pending)
  self.pending = {}
  -- What the person was writing, where something else is asked, comes after the answer.
  self:run(turn, problems, draft ~= asked.question and draft or nil)
  return true
end

--- Asks again for the answer of the newest turn; what the person has begun to write is kept.
---@return boolean
function Conversation:regenerate()
  if self:is_running() then
    return false
  end
  self:keep_above(self:prompt_row())
  local turn = self.turns[#self.turns]
  if not turn then
    return false
  end
  local draft = self:draft()
  turn.answer = ''
  self:run(turn, {}, draft)
  return true
end

--- Takes back a question and all below it, so that it can be written anew.
---@param turn assistant.Turn
function Conversation:edit(turn)
  local row = self.buffer:row_of(turn.user_mark)
  self:keep_above(row)
  local lines = vim.split(turn.question, '\n', { plain = true })
  self.buffer:replace_from(row + 1, vim.list_extend({ '' }, lines))
end

--- Returns the turn that a row belongs to, or nil for the prompt.
---@param row integer 0-based
---@return assistant.Turn?
function Conversation:turn_at(row)
  if row >= self:prompt_row() then
    return nil
  end
  local found
  for _, turn in ipairs(self.turns) do
    local at = self.buffer:row_of(turn.user_mark)
    if at and at <= row then
      found = turn
    end
  end
  return found
end

--- Returns the lines of the answer that a row lies in, or nil elsewhere.
---@param row integer 0-based
---@return string[]?
---@return integer? first row of the first line, 0-based
function Conversation:answer_at(row)
  local turn = self:turn_at(row)
  local first = turn and turn.answer_mark and self.buffer:row_of(turn.answer_mark)
  if not turn or not first or row <= first then
    return nil
  end
  local last = turn.end_mark and self.buffer:row_of(turn.end_mark) or -1
  if last ~= -1 and row >= last then
    return nil
  end
  return self.buffer:lines(first + 1, last), first + 1
end

--- Returns the row below the last line of a turn's question.
---@private
---@param turn assistant.Turn
---@return integer
function Conversation:question_end(turn)
  local answer_row = turn.answer_mark and self.buffer:row_of(turn.answer_mark)
  local row = self.buffer:row_of(turn.user_mark) --[[@as integer]]
  if answer_row and answer_row > row + 1 then
    return answer_row - 1
  end
  return row + 2 + #vim.split(turn.question, '\n', { plain = true })
end

---@private
---@param turn assistant.Turn
---@param problems string[]
---@param draft string?
function Conversation:run(turn, problems, draft)
  local buffer = self.buffer
  local row = self:question_end(turn)
  local win = vim.api.nvim_get_current_win()
  if vim.api.nvim_win_get_buf(win) == buffer.bufnr then
    -- Who sends from here wants to see the answer come.
    buffer:to_end(win)
  end
  turn.end_mark = nil
  buffer:highlight(false)
  buffer:lock()
  buffer:replace_from(row, { '', M.ANSWER, '', '' })
  turn.answer_mark = buffer:mark(row + 1, 'AssistantChatAnswer')
  local messages, attachments = self:request_of(turn)
  local params = {
    rootUri = turn.root_uri,
    chatId = vim.api.nvim_buf_get_name(buffer.bufnr),
    action = turn.action,
    messages = messages,
    attachments = #attachments > 0 and attachments or nil,
    retrieve = require('assistant.config').get().chat.retrieve,
  }
  self.stream = stream_module.start({
    on_text = function(text)
      turn.answer = turn.answer .. text
      if not self.is_closed then
        buffer:append(text)
      end
    end,
    on_state = function(state, seconds)
      local elapsed = seconds > 0 and (' %d s'):format(seconds) or ''
      buffer:set_state(
        buffer:row_of(turn.answer_mark),
        (STATES[state] or state) .. '…' .. elapsed
      )
    end,
    on_done = function(err, result)
      self.stream = nil
      self:finish(turn, { error = err, result = result, problems = problems, draft = draft })
    end,
  })
  self.stream:request(methods.CHAT, params)
end

--- Puts the daemon's whole answer in the place of what was streamed, where they differ.
---@private
---@param turn assistant.Turn
---@param content string
function Conversation:settle(turn, content)
  content = content:gsub('\r', '')
  if vim.trim(turn.answer) ~= vim.trim(content) then
    local row = self.buffer:row_of(turn.answer_mark)
    self.buffer:replace_from(row + 2, vim.split(vim.trim(content), '\n', { plain = true }))
  end
  turn.answer = vim.trim(content)
end

--- Ends a turn, well or not.
---@private
---@param turn assistant.Turn
---@param ended assistant.ChatEnd
function Conversation:finish(turn, ended)
  local buffer = self.buffer
  local err, result = ended.error, ended.result or {}
  local is_stopped = err ~= nil and err.code == methods.code.CANCELLED
  if not self.is_closed then
    self:write_end(turn, ended, is_stopped)
  end
  if err and not is_stopped then
    require('assistant.log').warn('chat: %s', err.message)
    local hint = (err.data or {}).hint
    event.emit('AssistantError', { code = err.code, message = err.message, hint = hint })
  end
  event.emit('AssistantChatDone', {
    bufnr = buffer.bufnr,
    action = turn.action,
    ok = err == nil,
    stopped = is_stopped,
    model = result.model,
    sources = result.sources or {},
    tokens = result.tokens,
  })
end

---@private
---@param turn assistant.Turn
---@param ended assistant.ChatEnd
---@param is_stopped boolean
function Conversation:write_end(turn, ended, is_stopped)
  local buffer = self.buffer
  local result = ended.result or {}
  if not ended.error and type(result.message) == 'table' then
    self:settle(turn, tostring(result.message.content or ''))
  end
  buffer:trim_end(buffer:row_of(turn.answer_mark) + 2)
  local last = buffer:line_count()
  local is_empty = buffer:lines(last - 1, last)[1] == ''
  local below = footer.lines(ended, is_stopped)
  -- An answer of nothing leaves no gap.
  if is_empty and below[1].text == '' then
    table.remove(below, 1)
  end
  local lines = vim.tbl_map(function(line)
    return line.text
  end, below)
  buffer:append((is_empty and '' or '\n') .. table.concat(lines, '\n'))
  buffer:set_state(nil)
  buffer:unlock()
  local first = is_empty and last - 1 or last
  turn.end_mark = buffer:mark(first)
  for index, line in ipairs(below) do
    if line.group then
      buffer:mark(first + index - 1, line.group)
    end
  end
  buffer:highlight(true)
end

--- Stops what is being written; the text so far stays.
---@return boolean stopped whether anything was
function Conversation:stop()
  if not self.stream then
    return false
  end
  self.stream:cancel()
  return true
end

--- Stops and begins anew; one undo brings the text back.
function Conversation:clear()
  self:stop()
  self.turns = {}
  local buffer = self.buffer
  vim.api.nvim_buf_clear_namespace(buffer.bufnr, buffer_module.namespace, 0, -1)
  buffer:replace_from(0, { M.USER, '', '' })
  buffer:mark(0, 'AssistantChatUser')
  for _, win in ipairs(vim.fn.win_findbuf(buffer.bufnr)) do
    buffer:to_end(win)
  end
end

--- Ends a chat whose buffer is gone.
function Conversation:close()
  self.is_closed = true
  self:stop()
end

return M
