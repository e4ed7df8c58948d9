--- Inline completion: listens to insert mode, asks the daemon, draws, accepts.
---
--- The buffer is the truth: what has been typed since a request is read from it, never from keys, so
--- a reply that does not fit what stands there is dropped whatever happened in between.
local accept = require('assistant.completion.accept')
local compat = require('assistant.compat')
local config = require('assistant.config')
local daemon = require('assistant.daemon')
local document = require('assistant.document')
local event = require('assistant.event')
local ghost = require('assistant.completion.ghost')
local keymaps = require('assistant.completion.keymaps')
local log = require('assistant.log')
local message = require('assistant.message')
local methods = require('assistant.rpc.methods')
local session_module = require('assistant.completion.session')
local trigger = require('assistant.completion.trigger')

local M = {}

local INVOKED, AUTOMATIC = 1, 2

---@class assistant.Anchor where the request stands, and what its line and buffer looked like then
---@field bufnr integer
---@field row integer 0-based
---@field col integer 0-based byte column
---@field before string
---@field after string
---@field line_count integer

---@class assistant.Live
---@field session assistant.Session
---@field anchor assistant.Anchor
---@field handle assistant.RequestHandle?
---@field more assistant.RequestHandle? a further request, for alternatives

---@type assistant.Live?
local live
---@type boolean? nil: as configured
local is_on
local is_started = false
--- A request that could not be sent because the daemon was not ready yet.
---@type integer?
local wanted_kind
local rhythm = trigger.new_rhythm()
local timer = compat.uv.new_timer()
--- Raised with everything that makes a pending debounce pointless.
local timer_generation = 0

local request

---@return integer row 0-based
---@return integer col
local function cursor()
  local position = vim.api.nvim_win_get_cursor(0)
  return position[1] - 1, position[2]
end

---@return assistant.Anchor
local function anchor_here()
  local row, col = cursor()
  local line = vim.api.nvim_get_current_line()
  return {
    bufnr = vim.api.nvim_get_current_buf(),
    row = row,
    col = col,
    before = line:sub(1, col),
    after = line:sub(col + 1),
    line_count = vim.api.nvim_buf_line_count(0),
  }
end

--- Returns what stands between an anchor and the cursor, or nil where anything else has changed.
---@param anchor assistant.Anchor
---@return string?
local function typed_since(anchor)
  if vim.api.nvim_get_current_buf() ~= anchor.bufnr then
    return nil
  end
  local row, col = cursor()
  local grown = vim.api.nvim_buf_line_count(0) - anchor.line_count
  if row < anchor.row or row - anchor.row ~= grown then
    return nil
  end
  local lines = vim.api.nvim_buf_get_lines(0, anchor.row, row + 1, false)
  if lines[#lines]:sub(col + 1) ~= anchor.after or not vim.startswith(lines[1], anchor.before) then
    return nil
  end
  lines[#lines] = lines[#lines]:sub(1, col)
  if #lines[1] < anchor.col then
    return nil
  end
  lines[1] = lines[1]:sub(anchor.col + 1)
  return table.concat(lines, '\n')
end

local function stop_timer()
  timer_generation = timer_generation + 1
  timer:stop()
end

local function hide()
  ghost.clear()
  keymaps.disable()
end

--- Ends the session: nothing shows, nothing is waited for.
local function drop()
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
local function draw()
  if not live then
    return
  end
  local text = live.session:remaining()
  local row, col = cursor()
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
local function sync()
  if not live then
    return
  end
  live.session:track(typed_since(live.anchor))
  if live.session:is_live() then
    draw()
  elseif live.session.state == 'stale' and live.handle and live.session:current() == nil then
    -- Nothing has shown: the request lives until the next one is sent, so that a generation that
    -- the new one can use is not ended in between.
    hide()
  else
    drop()
  end
end

---@param item assistant.CompletionItem
---@param anchor assistant.Anchor
---@return assistant.SessionItem?
local function to_session_item(item, anchor)
  local text, delete = item.insertText, 0
  local range = item.range
  if type(text) ~= 'string' or text == '' then
    return nil
  end
  if range and range.start.line == anchor.row and range['end'].line == anchor.row then
    local head = anchor.before:sub(range.start.character + 1)
    if not vim.startswith(text, head) then
      return nil
    end
    text = text:sub(#head + 1)
    delete = math.max(0, range['end'].character - anchor.col)
    local tail = anchor.after:sub(1, delete)
    if delete > 0 and vim.endswith(text, tail) then
      text, delete = text:sub(1, -#tail - 1), 0
    end
  end
  return text ~= '' and { id = tostring(item.id), text = text, delete = delete } or nil
end

---@param result table?
---@param anchor assistant.Anchor
---@return assistant.SessionItem[]
local function to_session_items(result, anchor)
  local items = {}
  for _, item in ipairs((result or {}).items or {}) do
    local found = to_session_item(item, anchor)
    if found then
      table.insert(items, found)
    end
  end
  return items
end

---@param kind integer
---@return boolean
local function may_ask(kind)
  local options = config.get().completion
  local bufnr = vim.api.nvim_get_current_buf()
  local is_enabled = M.is_enabled(bufnr)
  local _, col = cursor()
  local allowed, reason = trigger.allows({
    kind = kind,
    is_enabled = is_enabled,
    is_eligible = vim.fn.getcmdwintype() == '' and document.is_eligible(bufnr),
    is_recording = vim.fn.reg_recording() ~= '' or vim.fn.reg_executing() ~= '',
    is_menu_visible = vim.fn.pumvisible() == 1,
    mode = vim.api.nvim_get_mode().mode,
    filetype = vim.bo.filetype,
    filetypes = options.filetypes,
    right = vim.api.nvim_get_current_line():sub(col + 1),
  })
  if not allowed and kind == INVOKED then
    message.info(('no suggestion: %s.'):format(reason))
  end
  return allowed
end

---@param mine assistant.Live
---@param err assistant.Error
---@param is_retry boolean
local function on_error(mine, err, is_retry)
  local bufnr = mine.anchor.bufnr
  local is_current = typed_since(mine.anchor) ~= nil
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
  mine.session:finish(to_session_items(result, mine.anchor))
  if mine.session:is_live() then
    draw()
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
    mine.session:track(typed_since(mine.anchor))
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
      mine.session:track(typed_since(mine.anchor))
      mine.session:partial(tostring(value.itemId), value.text)
      if mine.session:is_live() then
        stop_timer() -- it fits what has been typed meanwhile: no other request is needed
        draw()
      else
        drop()
      end
    end,
  })
  mine.handle = handle
end

---@param kind integer
---@param is_retry boolean?
function request(kind, is_retry)
  stop_timer()
  wanted_kind = nil
  if not may_ask(kind) then
    drop()
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
  drop()
  live = { session = session_module.new(kind), anchor = anchor_here() }
  send(live, is_retry == true)
end

local function schedule()
  local delay_ms = rhythm:delay_ms(config.get().completion.debounce_ms)
  stop_timer()
  if delay_ms == 0 then
    request(AUTOMATIC)
    return
  end
  local generation = timer_generation
  timer:start(delay_ms, 0, function()
    vim.schedule(function()
      if generation == timer_generation then
        request(AUTOMATIC)
      end
    end)
  end)
end

local function on_text_changed()
  rhythm:key(compat.uv.now())
  sync()
  local has_suggestion = live and live.session.state ~= 'waiting' and live.session:is_live()
  if not has_suggestion then
    schedule()
  end
end

--- Ends whatever is going on, because insert mode or the buffer was left.
local function leave()
  stop_timer()
  wanted_kind = nil
  M.dismiss()
  drop()
end

local function on_insert_enter()
  local bufnr = vim.api.nvim_get_current_buf()
  if not M.is_enabled(bufnr) or not document.is_eligible(bufnr) then
    return
  end
  if not trigger.is_filetype_on(config.get().completion.filetypes, vim.bo.filetype) then
    return
  end
  daemon.start({ automatic = true })
  document.attach(bufnr)
  local _, col = cursor()
  -- At the end of a line a person starts to write; elsewhere they may only correct something.
  if col >= #vim.api.nvim_get_current_line() then
    schedule()
  end
end

local function create_autocommands()
  local group = vim.api.nvim_create_augroup('assistant.completion', {})
  local function on(events, callback, pattern)
    vim.api.nvim_create_autocmd(events, { group = group, pattern = pattern, callback = callback })
  end
  on('InsertEnter', on_insert_enter)
  on({ 'TextChangedI', 'TextChangedP' }, on_text_changed)
  on('CursorMovedI', sync)
  on({ 'CompleteChanged', 'CompleteDone' }, draw)
  -- CTRL-C leaves insert mode without InsertLeave.
  on('ModeChanged', leave, 'i*:[^i]*')
  on({ 'InsertLeave', 'BufLeave' }, leave)
  on('ColorScheme', ghost.set_highlight)
end

--- Begins to listen. Called at the first InsertEnter or the first thing that a person asks for.
function M.start()
  if is_started then
    return
  end
  is_started = true
  ghost.set_highlight()
  create_autocommands()
  keymaps.map_complete(M.complete)
  daemon.on_lost(drop)
  daemon.on_ready(function()
    local kind = wanted_kind
    if kind then
      -- After the documents have been opened again.
      vim.schedule(function()
        request(kind)
      end)
    end
  end)
  if vim.api.nvim_get_mode().mode:sub(1, 1) == 'i' then
    on_insert_enter()
  end
end

--- Ends whatever completion waits for.
function M.stop()
  stop_timer()
  M.dismiss()
  drop()
end

--- Whether completion is on for a buffer.
---@param bufnr integer
---@return boolean
function M.is_enabled(bufnr)
  local here = vim.b[bufnr].assistant_enabled
  if here ~= nil then
    return here
  end
  if is_on ~= nil then
    return is_on
  end
  return config.get().completion.enabled
end

--- Switches completion off or on, everywhere or for the current buffer only.
---@param is_buffer_only boolean
function M.toggle(is_buffer_only)
  M.start()
  local flag
  if is_buffer_only then
    flag = not M.is_enabled(vim.api.nvim_get_current_buf())
    vim.b.assistant_enabled = flag
  else
    local before = is_on
    if before == nil then
      before = config.get().completion.enabled
    end
    flag = not before
    is_on = flag
  end
  if not flag then
    leave()
  end
  local where = is_buffer_only and ' in this buffer' or ''
  message.info(('completion is %s%s.'):format(flag and 'on' or 'off', where))
end

--- Asks for a suggestion now, whatever the automatic rules say.
---@return boolean
function M.complete()
  M.start()
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
  sync()
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
    drop()
  end
  accept.insert(part, is_all and item.delete or 0)
  if not is_all then
    draw()
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
  stop_timer()
  live.session:dismiss()
  drop()
  daemon.notify(methods.DID_DISMISS, { itemId = item.id })
  event.emit('AssistantDismissed', { itemId = item.id })
  return true
end

--- Asks for alternatives at the place of the current suggestion, and shows the first new one.
---@param mine assistant.Live
---@param step 1|-1
local function ask_for_more(mine, step)
  -- The place of the request, not of the cursor: its items are compared with what was typed since.
  if mine.more or mine.session.typed ~= '' then
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
    elseif mine.session:add(to_session_items(result, mine.anchor)) then
      mine.session:cycle(step)
      draw()
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
    draw()
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
