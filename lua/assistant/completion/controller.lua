--- What happens to the current suggestion: asked for, drawn, typed along, accepted, dropped.
---
--- The buffer is the truth: what has been typed since a request is read from it, never from keys, so
--- a reply that does not fit what stands there is dropped whatever happened in between.
local anchor_module = require('assistant.completion.anchor')
local accept = require('assistant.completion.accept')
local compat = require('assistant.compat')
local config = require('assistant.config')
local daemon = require('assistant.daemon')
local debounce = require('assistant.completion.debounce')
local document = require('assistant.document')
local event = require('assistant.event')
local ghost = require('assistant.completion.ghost')
local keymaps = require('assistant.completion.keymaps')
local last_key = require('assistant.completion.last_key')
local log = require('assistant.log')
local message = require('assistant.message')
local methods = require('assistant.rpc.methods')
local session_module = require('assistant.completion.session')
local trigger = require('assistant.completion.trigger')
local view = require('assistant.completion.view')

local M = {}

local INVOKED, AUTOMATIC = 1, 2

---@class assistant.Live
---@field session assistant.Session
---@field anchor assistant.Anchor
---@field handle assistant.RequestHandle?
---@field more assistant.RequestHandle? a further request, for alternatives

---@type assistant.Live?
local live
--- A request that could not be sent because the daemon was not ready yet.
---@type integer?
local wanted_kind
local rhythm = trigger.new_rhythm()

local request

local function hide()
  ghost.clear()
  keymaps.disable()
end

--- Ends the session: nothing shows, nothing is waited for.
function M.drop()
  local ending = live
  live = nil
  hide()
  if ending and ending.handle then
    ending.handle.cancel()
  end
  if ending and ending.more then
    ending.more.cancel()
  end
end

---@param item assistant.SessionItem
---@param text string
local function announce(item, text)
  if not item.is_announced then
    item.is_announced = true
    daemon.notify(methods.DID_SHOW, { itemId = item.id })
    event.emit('AssistantShown', { itemId = item.id, text = text })
  end
end

--- Draws what is left of the suggestion.
function M.draw()
  if not live then
    return
  end
  local text = live.session:remaining()
  local row, col = anchor_module.cursor()
  local may_show = text ~= nil and vim.fn.pumvisible() == 0
  if
    may_show and ghost.show(live.anchor.bufnr, row, col, text --[[@as string]])
  then
    keymaps.enable(live.anchor.bufnr, M.actions)
    announce(live.session:current() --[[@as assistant.SessionItem]], text --[[@as string]])
  else
    hide()
  end
end

--- Compares the suggestion with the buffer, in the same tick as the key: it goes on, or it goes.
function M.sync()
  if not live then
    return
  end
  live.session:track(anchor_module.typed_since(live.anchor))
  if live.session:is_live() then
    M.draw()
  elseif live.session.state == 'stale' and live.handle and live.session:current() == nil then
    -- Nothing has shown: the request lives until the next one is sent, so that a generation that
    -- the new one can use is not ended in between.
    hide()
  else
    M.drop()
  end
end

---@param mine assistant.Live
---@param err assistant.Error
---@param is_retry boolean
local function on_error(mine, err, is_retry)
  local bufnr = mine.anchor.bufnr
  local is_current = anchor_module.typed_since(mine.anchor) ~= nil
  live = nil
  hide()
  if err.code == methods.code.CONTENT_MODIFIED then
    -- The daemon has another text than we think: send all of it, and ask once more.
    document.reopen(bufnr)
    if not is_retry and is_current then
      request(mine.session.kind, true)
    end
  elseif mine.session.kind == INVOKED then
    message.from_error(err)
  else
    message.from_error_once(err)
  end
end

---@param mine assistant.Live
---@param result table
local function on_result(mine, result)
  mine.session:finish(anchor_module.session_items(result, mine.anchor))
  if mine.session:is_live() then
    M.draw()
    return
  end
  local is_empty = mine.session.state == 'idle' and #mine.session.items == 0
  live = nil
  hide()
  if is_empty and mine.session.kind == INVOKED then
    message.info(('no suggestion here%s.'):format(result.reason and ': ' .. result.reason or ''))
  end
end

---@param anchor assistant.Anchor
---@param kind integer
---@return table
local function params_of(anchor, kind)
  return {
    textDocument = document.identify(anchor.bufnr),
    position = { line = anchor.row, character = anchor.col },
    context = { triggerKind = kind },
  }
end

--- Sends the request of a new session; its text and its answer are taken only while it is the
--- current one and the buffer still fits.
---@param mine assistant.Live
---@param is_retry boolean
local function send(mine, is_retry)
  local params = params_of(mine.anchor, mine.session.kind)
  local handle
  handle = daemon.request(methods.INLINE_COMPLETION, params, function(err, result)
    mine.handle = nil
    if live ~= mine then
      return
    end
    mine.session:track(anchor_module.typed_since(mine.anchor))
    if err then
      on_error(mine, err, is_retry)
    else
      on_result(mine, result or {})
    end
  end, {
    on_progress = function(value)
      if live ~= mine or value.kind ~= 'partial' or type(value.text) ~= 'string' then
        return
      end
      mine.session:track(anchor_module.typed_since(mine.anchor))
      mine.session:partial(tostring(value.itemId), value.text)
      if mine.session:is_live() then
        debounce.stop() -- it fits what has been typed meanwhile: no other request is needed
        M.draw()
      else
        M.drop()
      end
    end,
  })
  mine.handle = handle
end

---@param kind integer
---@param is_retry boolean?
function request(kind, is_retry)
  debounce.stop()
  wanted_kind = nil
  local is_allowed, reason = trigger.allows(view.here(kind))
  if not is_allowed then
    M.drop()
    if kind == INVOKED then
      message.info(('no suggestion: %s.'):format(reason))
    end
    return
  end
  local bufnr = vim.api.nvim_get_current_buf()
  if daemon.state().state ~= 'ready' then
    wanted_kind = kind
    daemon.start({ automatic = kind == AUTOMATIC })
    return
  end
  if not document.attach(bufnr) then
    return
  end
  document.flush(bufnr)
  M.drop()
  live = { session = session_module.new(kind), anchor = anchor_module.here() }
  send(live, is_retry == true)
end

local function schedule()
  last_key.remember()
  debounce.put_off(rhythm:delay_ms(config.get().completion.debounce_ms), function()
    request(AUTOMATIC)
  end)
end

--- Takes a move of the cursor in insert mode: the text may have changed with it, or not.
function M.on_cursor_moved()
  if last_key.has_only_moved() then
    -- Nobody asks at a place that a person only passes through.
    debounce.stop()
    if live and live.session.state == 'waiting' then
      M.drop()
    end
  end
  M.sync()
end

--- Takes a change of the text in insert mode.
function M.on_text_changed()
  if last_key.is_same_text() then
    M.sync() -- already asked here, e.g. by the key for "ask now" right behind this one
    return
  end
  rhythm:key(compat.uv.now())
  M.sync()
  local has_suggestion = live and live.session.state ~= 'waiting' and live.session:is_live()
  if not has_suggestion then
    schedule()
  end
end

--- Ends whatever is going on, because insert mode or the buffer was left.
function M.leave()
  wanted_kind = nil
  last_key.forget()
  M.stop()
end

--- Asks in a moment, when the key that led here has been dealt with.
function M.ask_soon()
  vim.schedule(function()
    if not last_key.is_same_text() then
      schedule()
    end
  end)
end

--- Makes the request that had to wait for the daemon.
function M.resume()
  local kind = wanted_kind
  if kind then
    -- After the documents have been opened again.
    vim.schedule(function()
      request(kind)
    end)
  end
end

--- Ends whatever completion waits for.
function M.stop()
  debounce.stop()
  M.dismiss()
  M.drop()
end

--- Asks for a suggestion now, whatever the automatic rules say.
---@return boolean
function M.complete()
  last_key.remember()
  request(INVOKED)
  return true
end

---@return boolean
function M.is_visible()
  return M.suggestion() ~= nil and ghost.is_drawn()
end

--- Returns the text that accepting would insert.
---@return string?
function M.suggestion()
  return live and live.session:remaining() or nil
end

--- Accepts a part of the suggestion, chosen by `part_of`.
---@param part_of fun(text: string): string
---@return boolean accepted
local function accept_part(part_of)
  if not live or not M.is_visible() then
    return false
  end
  M.sync()
  local text = M.suggestion()
  if not live or not text then
    return false
  end
  local mine = live --[[@as assistant.Live]]
  local part = part_of(text)
  local item = mine.session:current() --[[@as assistant.SessionItem]]
  local is_all = part == text
  mine.session:accept(part)
  if is_all then
    -- Before the buffer changes, so that nothing of it is taken for typing.
    mine.session.state = 'accepted'
    M.drop()
  end
  accept.insert(part, is_all and item.delete or 0)
  if not is_all then
    M.draw()
  end
  daemon.notify(methods.DID_ACCEPT, { itemId = item.id, acceptedLength = #mine.session.typed })
  event.emit('AssistantAccepted', { itemId = item.id, text = part })
  return true
end

---@return boolean accepted
function M.accept()
  return accept_part(function(text)
    return text
  end)
end

---@return boolean accepted
function M.accept_word()
  return accept_part(accept.word)
end

---@return boolean accepted
function M.accept_line()
  return accept_part(accept.line)
end

---@return boolean dismissed
function M.dismiss()
  local item = live and live.session:current()
  if not live or not item or not M.is_visible() then
    return false
  end
  debounce.stop()
  live.session:dismiss()
  M.drop()
  daemon.notify(methods.DID_DISMISS, { itemId = item.id })
  event.emit('AssistantDismissed', { itemId = item.id })
  return true
end

--- Asks for alternatives at the place of the current suggestion, and shows the first new one.
---@param mine assistant.Live
---@param step 1|-1
local function ask_for_more(mine, step)
  -- The place of the request, not of the cursor: its items are compared with what was typed since.
  if mine.more then
    return
  elseif mine.session.typed ~= '' then
    message.info('no other suggestion that begins like this.')
    return
  end
  document.flush(mine.anchor.bufnr)
  local params = params_of(mine.anchor, INVOKED)
  mine.more = daemon.request(methods.INLINE_COMPLETION, params, function(err, result)
    mine.more = nil
    if live ~= mine then
      return
    end
    if err then
      log.info('no alternatives: %s', err.message)
    elseif mine.session:add(anchor_module.session_items(result, mine.anchor)) then
      mine.session:cycle(step)
      M.draw()
    else
      message.info('no other suggestion here.')
    end
  end)
end

---@param step 1|-1
---@return boolean
local function cycle(step)
  if not live or not M.is_visible() then
    return false
  end
  if live.session:cycle(step) then
    M.draw()
  elseif live.session.state == 'shown' then
    ask_for_more(live, step)
  end
  return true
end

---@return boolean
function M.next()
  return cycle(1)
end

---@return boolean
function M.prev()
  return cycle(-1)
end

--- What the keys do, by the name of their option.
M.actions = {
  accept = M.accept,
  accept_line = M.accept_line,
  accept_word = M.accept_word,
  next = M.next,
  prev = M.prev,
  dismiss = M.dismiss,
}

return M
