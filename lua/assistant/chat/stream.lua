--- One running answer: gathers its pieces between redraws and tells what it waits for.
local compat = require('assistant.compat')
local daemon = require('assistant.daemon')

local M = {}

--- Pieces of 50 ms are written at once: each write redraws.
local FLUSH_MS = 50
local STATE_MS = 250

---@class assistant.StreamHandlers
---@field on_text fun(text: string)
---@field on_state fun(state: string, seconds: integer)
---@field on_done fun(err: assistant.Error?, result: table?)

---@class assistant.Stream
---@field private handlers assistant.StreamHandlers
---@field private handle assistant.RequestHandle?
---@field private pieces string[]
---@field private has_text boolean
---@field private is_scheduled boolean
---@field private is_done boolean
---@field private state string
---@field private since_ms number
---@field private said string?
---@field private timer userdata
local Stream = {}
Stream.__index = Stream

---@param handlers assistant.StreamHandlers
---@return assistant.Stream
function M.start(handlers)
  local self = setmetatable({
    handlers = handlers,
    pieces = {},
    has_text = false,
    is_scheduled = false,
    is_done = false,
    state = 'connecting',
    since_ms = compat.uv.now(),
    timer = compat.uv.new_timer(),
  }, Stream)
  self.timer:start(
    STATE_MS,
    STATE_MS,
    vim.schedule_wrap(function()
      self:tell()
    end)
  )
  self:tell()
  return self
end

--- Sends the request whose answer this is.
---@param method string
---@param params table
function Stream:request(method, params)
  self.handle = daemon.request(method, params, function(err, result)
    self:finish(err, result)
  end, {
    on_progress = function(value)
      self:receive(value)
    end,
  })
end

--- Shows the state, once a second at most unless it changed.
---@private
function Stream:tell()
  if self.is_done then
    return
  end
  if self.state == 'connecting' and daemon.state().state == 'ready' then
    self.state, self.since_ms = 'retrieving', compat.uv.now()
  end
  local seconds = math.floor((compat.uv.now() - self.since_ms) / 1000)
  local key = self.state .. seconds
  if key ~= self.said then
    self.said = key
    self.handlers.on_state(self.state, seconds)
  end
end

---@private
---@param state string
function Stream:enter(state)
  if state ~= self.state then
    self.state = state
    self.since_ms = compat.uv.now()
    self:tell()
  end
end

---@private
---@param value table
function Stream:receive(value)
  if self.is_done then
    return
  end
  local text = type(value.text) == 'string' and value.text or ''
  if not self.has_text then
    text = text:gsub('^%s+', '')
  end
  if text == '' then
    if type(value.state) == 'string' and value.state ~= 'writing' then
      self:enter(value.state)
    end
    return
  end
  self.has_text = true
  table.insert(self.pieces, text)
  self:enter('writing')
  if not self.is_scheduled then
    self.is_scheduled = true
    vim.defer_fn(function()
      self.is_scheduled = false
      if not self.is_done then
        self:flush()
      end
    end, FLUSH_MS)
  end
end

---@private
function Stream:flush()
  if #self.pieces > 0 then
    local text = table.concat(self.pieces):gsub('\r', '')
    self.pieces = {}
    self.handlers.on_text(text)
  end
end

---@private
---@param err assistant.Error?
---@param result table?
function Stream:finish(err, result)
  if self.is_done then
    return
  end
  self:flush()
  self.is_done = true
  self.timer:stop()
  self.timer:close()
  self.handlers.on_done(err, result)
end

--- Stops; the handlers hear of it before this returns.
function Stream:cancel()
  if self.handle then
    self.handle.cancel()
  end
  self:finish({ code = -32800, message = 'stopped' })
end

return M
