--- The one owner of the connection to the daemon: starts it lazily, greets it, brings it back.
---
--- Nothing here waits: requests made before the daemon is ready are queued and sent when it is.
local client_module = require('assistant.rpc.client')
local config = require('assistant.config')
local event = require('assistant.event')
local log = require('assistant.log')
local message = require('assistant.message')
local methods = require('assistant.rpc.methods')
local transport = require('assistant.rpc.transport')

local M = {}

--- Pauses before the next attempt, in milliseconds; after the last one the state is 'failed'.
local BACK_OFF_MS = { 100, 500, 2000, 8000 }
--- A connection that held this long was a good one: the next loss starts the pauses anew.
local STABLE_MS = 5000
--- How often something that the person did not ask for may try a failed daemon again.
local AUTOMATIC_RETRY_MS = 30000
local INITIALIZE_TIMEOUT_MS = 20000

---@class assistant.Queued
---@field id integer
---@field method string
---@field params table
---@field callback fun(err: assistant.Error?, result: any)
---@field options assistant.RequestOptions?

--- Answers what waited on a connection that will be tried again.
---@class assistant.LostError: assistant.Error
---@field is_lost true

---@type assistant.Client
local client
---@type assistant.DaemonState
local current = { state = 'off' }
---@type assistant.Queued[]
local queue = {}
---@type table<string, fun(params: table)[]>
local listeners = {}
---@type fun()[]
local on_ready = {}
---@type fun()[]
local on_lost = {}
local attempts = 0
local changed_at_ms = 0
local is_leaving = false
---@type fun(is_revival: boolean)
local connect

local function now_ms()
  return require('assistant.compat').uv.now()
end

---@param state 'off'|'connecting'|'ready'|'failed'
---@param err assistant.Error?
---@param server table?
local function enter(state, err, server)
  current = { state = state, error = err, server = server }
  changed_at_ms = now_ms()
  log.info('daemon: %s%s', state, err and (' (' .. err.message .. ')') or '')
end

local function call_all(functions)
  for _, fn in ipairs(functions) do
    local ok, err = pcall(fn)
    if not ok then
      log.error('a daemon hook broke: %s', tostring(err))
    end
  end
end

--- Answers every request that waits, sent or not.
---@param err assistant.Error
---@return boolean anyone whether somebody was told
local function fail_waiting(err)
  local waiting = queue
  queue = {}
  local anyone = #waiting > 0 or client:has_pending()
  client:fail_all(err)
  for _, entry in ipairs(waiting) do
    local ok, broke = pcall(entry.callback, vim.deepcopy(err))
    if not ok then
      log.error('%s broke: %s', entry.method, tostring(broke))
    end
  end
  return anyone
end

---@param err assistant.Error
local function fail(err)
  enter('failed', err)
  call_all(on_lost)
  if not fail_waiting(err) then
    message.from_error_once(err)
  end
end

--- Ends what a lost connection carried and tries again after a pause.
---@param reason string
---@param hint string?
local function lost(reason, hint)
  if is_leaving or current.state == 'off' or current.state == 'failed' then
    return
  end
  local was_ready = current.state == 'ready'
  if was_ready and now_ms() - changed_at_ms > STABLE_MS then
    attempts = 0
  end
  attempts = attempts + 1
  local err = {
    code = methods.code.REQUEST_FAILED,
    message = reason,
    data = { hint = hint or 'Try again; :AILog has the detail.', retryable = true },
    is_lost = true,
  }
  local pause_ms = BACK_OFF_MS[attempts]
  -- A missing package does not appear by trying again.
  if not pause_ms or hint then
    fail(err)
    return
  end
  log.warn('daemon: %s; attempt %d in %d ms', reason, attempts + 1, pause_ms)
  enter('connecting')
  if was_ready then
    call_all(on_lost)
  end
  client:fail_all(err)
  vim.defer_fn(function()
    if current.state == 'connecting' then
      connect(was_ready and #queue == 0)
    end
  end, pause_ms)
end

--- Returns the folder that the daemon may take for documents without a marker above them.
---@return string?
local function root_uri()
  local cwd = vim.fn.getcwd()
  if cwd == '/' or cwd == vim.fn.expand('~') then
    return nil
  end
  return vim.uri_from_fname(cwd)
end

---@param server table
local function greeted(server)
  local their_version = (server.serverInfo or {}).version
  if their_version ~= methods.PLUGIN_VERSION then
    local text = "the daemon is version %s, the plugin %s; 'assistant stop' ends the old one."
    message.info(text:format(their_version, methods.PLUGIN_VERSION))
  end
  enter('ready', nil, server)
  client:notify(methods.INITIALIZED, vim.empty_dict())
  message.forget()
  -- Documents first: a queued request speaks about the versions that they open with.
  call_all(on_ready)
  local waiting = queue
  queue = {}
  for _, entry in ipairs(waiting) do
    client:request(entry.id, entry.method, entry.params, entry.callback, entry.options)
  end
  event.emit('AssistantReady', { version = their_version, models = server.models })
end

local function greet()
  client:request(client:next_id(), methods.INITIALIZE, {
    processId = vim.fn.getpid(),
    clientInfo = { name = 'neovim', version = methods.PLUGIN_VERSION },
    protocolVersion = methods.PROTOCOL_VERSION,
    rootUri = root_uri(),
    capabilities = { streaming = true },
    initializationOptions = config.daemon_options(),
  }, function(err, result)
    if current.state ~= 'connecting' or (err and err.is_lost) then
      return
    end
    if not err and type(result) == 'table' then
      if result.protocolVersion == methods.PROTOCOL_VERSION then
        greeted(result)
        return
      end
      err = {
        code = methods.code.PROTOCOL_VERSION,
        message = 'the running daemon speaks another protocol version.',
        data = { hint = "Run 'assistant stop' and start the editor again." },
      }
    end
    err = err or { code = methods.code.REQUEST_FAILED, message = 'the daemon greets with nothing.' }
    fail(err)
    transport.close()
  end, { timeout_ms = INITIALIZE_TIMEOUT_MS })
end

local function on_event(kind, detail, hint)
  if kind == 'connected' then
    if current.state == 'connecting' then
      greet()
    end
  elseif kind == 'closed' then
    lost(detail, hint)
  elseif kind == 'stopped' then
    if #queue > 0 then
      connect(false)
    elseif current.state == 'connecting' then
      enter('off')
    end
  elseif current.state ~= 'off' and current.state ~= 'failed' then
    fail({
      code = methods.code.REQUEST_FAILED,
      message = detail,
      data = { hint = hint or 'See :AILog.', retryable = true },
    })
  end
end

---@param is_revival boolean
function connect(is_revival)
  enter('connecting')
  local err = transport.open({
    on_lines = function(lines)
      client:receive(lines)
    end,
    on_event = on_event,
  }, is_revival)
  if err then
    -- Scheduled, so that no callback runs before its request has returned.
    vim.schedule(function()
      fail(err)
    end)
  end
end

client = client_module.new(transport.write, function(method, params)
  for _, fn in ipairs(listeners[method] or {}) do
    fn(params)
  end
end)

--- Starts host and daemon where they don't run yet. Returns at once.
---@param options { automatic: boolean? }? automatic: not asked for by the person, so a failed daemon is let alone for a while
function M.start(options)
  if current.state == 'ready' or current.state == 'connecting' or is_leaving then
    return
  end
  local is_fresh = now_ms() - changed_at_ms < AUTOMATIC_RETRY_MS
  if current.state == 'failed' and (options or {}).automatic and is_fresh then
    return
  end
  if require('assistant.compat').is_windows then
    fail({
      code = methods.code.REQUEST_FAILED,
      message = 'native Windows is not supported.',
      data = { hint = 'Use Neovim inside WSL 2.' },
    })
    return
  end
  attempts = 0
  connect(false)
end

--- Sends a request, starting the daemon where needed. Never blocks; the callback is called once.
---@param method string
---@param params table
---@param callback fun(err: assistant.Error?, result: any)
---@param options assistant.RequestOptions?
---@return assistant.RequestHandle
function M.request(method, params, callback, options)
  local id = client:next_id()
  local handle = { id = id }
  if current.state == 'ready' then
    client:request(id, method, params, callback, options)
  else
    table.insert(queue, {
      id = id,
      method = method,
      params = params,
      callback = callback,
      options = options,
    })
    M.start()
  end
  function handle.cancel()
    for index, entry in ipairs(queue) do
      if entry.id == id then
        table.remove(queue, index)
        callback({ code = methods.code.CANCELLED, message = 'request cancelled' })
        return
      end
    end
    client:cancel(id)
  end
  return handle
end

--- Sends a notification, or nothing where the daemon is not ready.
---@param method string
---@param params table
---@return boolean sent
function M.notify(method, params)
  return current.state == 'ready' and client:notify(method, params)
end

--- Returns the state of the connection.
---@return assistant.DaemonState
function M.state()
  return current
end

--- Calls `fn` for each notification of this method.
---@param method string
---@param fn fun(params: table)
function M.on_notification(method, fn)
  listeners[method] = listeners[method] or {}
  table.insert(listeners[method], fn)
end

--- Calls `fn` each time the daemon is ready, before queued requests are sent.
---@param fn fun()
function M.on_ready(fn)
  table.insert(on_ready, fn)
end

--- Calls `fn` each time a connection is gone.
---@param fn fun()
function M.on_lost(fn)
  table.insert(on_lost, fn)
end

--- Tells the daemon this editor's options again, after `setup()` changed them.
function M.configure()
  M.notify(methods.DID_CHANGE_CONFIGURATION, { settings = config.daemon_options() })
end

--- Ends this editor's connection; the next request brings it back.
function M.stop()
  enter('off')
  call_all(on_lost)
  transport.close()
  fail_waiting({ code = methods.code.REQUEST_FAILED, message = 'the connection was closed.' })
end

M.on_notification(methods.SHOW_MESSAGE, function(params)
  local say = { message.error, message.warn, message.info }
  local text = tostring(params.message)
  if say[params.type] then
    say[params.type](text)
  else
    log.info('%s', text)
  end
end)

M.on_notification(methods.LOG_MESSAGE, function(params)
  log.info('daemon says: %s', tostring(params.message))
end)

vim.api.nvim_create_autocmd('VimLeavePre', {
  group = vim.api.nvim_create_augroup('assistant.daemon', {}),
  callback = function()
    is_leaving = true
    transport.close()
  end,
})

return M
