--- Carries lines to the daemon and back through a private pynvim host. The only file that knows.
---
--- Another way to the daemon is another file with the same three functions: open, write, close.
local python = require('assistant.python')

local M = {}

--- What this file and the host have agreed on; the host says its own when it has connected.
local HOST_VERSION = '1'

---@alias assistant.TransportEvent 'connected'|'closed'|'failed'|'stopped'

---@class assistant.TransportHandlers
---@field on_lines fun(lines: string[]) all lines that arrived together
---@field on_event fun(kind: assistant.TransportEvent, detail: string, hint: string?)

---@type integer?
local channel
---@type assistant.TransportHandlers?
local handlers
---@type string[] the last lines of the host's stderr, for the reason when it ends
local stderr = {}

local function host_path()
  return vim.fn.simplify(python.plugin_root() .. '/rplugin/python3/assistant_host')
end

---@param name string
---@param args string[]
---@return boolean sent
local function call(name, args)
  if not channel then
    return false
  end
  return pcall(vim.rpcnotify, channel, host_path() .. ':function:' .. name, args)
end

--- Returns why a host ended, from the last thing that it said.
---@param code integer
---@return string reason
---@return string? hint
local function exit_reason(code)
  local said = table.concat(stderr, '\n')
  local missing = said:match("No module named '([%w_%.]+)'")
  if missing then
    local text = "Python has no package '%s'."
    return text:format(missing), 'Run :AIInstall.'
  end
  local last = vim.trim(said):match('[^\n]+$')
  local text = 'the plugin host ended with code %d%s'
  return text:format(code, last and (': ' .. last) or '.'), nil
end

--- Returns what the host's environment has beside this editor's.
---@param root string
---@return table<string, string>
local function environment(root)
  local inherited = vim.env.PYTHONPATH
  local home = vim.env.ASSISTANT_HOME
  return {
    -- The package of this plugin, whatever version the Python has installed.
    PYTHONPATH = inherited and inherited ~= '' and (root .. ':' .. inherited) or root,
    -- Absolute, because the host does not run in the person's folder.
    ASSISTANT_HOME = home and home ~= '' and vim.fn.fnamemodify(home, ':p') or nil,
  }
end

--- Starts the host where none runs.
---@return assistant.Error?
local function ensure_host()
  if channel then
    return nil
  end
  local found, err = python.find()
  if not found then
    return err
  end
  local root = python.plugin_root()
  stderr = {}
  local started, job
  started, job = pcall(vim.fn.jobstart, {
    found.path,
    '-c',
    'import pynvim; pynvim.start_host()',
    host_path(),
  }, {
    rpc = true,
    -- Never the person's folder: Python would import a pynvim.py that happens to lie there.
    cwd = root,
    env = environment(root),
    on_stderr = function(_, lines)
      vim.list_extend(stderr, lines)
      stderr = vim.list_slice(stderr, math.max(1, #stderr - 20))
    end,
    on_exit = function(id, code)
      if id ~= channel then
        return
      end
      channel = nil
      local reason, hint = exit_reason(code)
      if handlers then
        handlers.on_event('closed', reason, hint)
      end
    end,
  })
  if not started or job <= 0 then
    return {
      code = -32803,
      message = ("%s can't be started."):format(found.path),
      data = { hint = 'Run :AIInstall.' },
    }
  end
  channel = job
  return nil
end

--- Connects to the daemon, starting host and daemon where they don't run. Returns at once;
--- `on_event` tells the rest.
---@param new_handlers assistant.TransportHandlers
---@param is_revival boolean nobody waits: after a daemon that was stopped, none is started
---@return assistant.Error?
function M.open(new_handlers, is_revival)
  handlers = new_handlers
  local err = ensure_host()
  if err then
    return err
  end
  if not call('AssistantConnect', { is_revival and 'revive' or 'start' }) then
    channel = nil
    return { code = -32803, message = 'the plugin host went away.', data = { retryable = true } }
  end
  return nil
end

--- Sends one line, which is dropped where there is no connection.
---@param line string
---@return boolean sent
function M.write(line)
  return call('AssistantSend', { line })
end

--- Stops the host without waiting for it.
function M.close()
  local ending = channel
  channel = nil
  if ending then
    pcall(vim.fn.jobstop, ending)
  end
end

--- Takes what the host read; called by the host.
---@param lines string[]
function M.on_lines(lines)
  if handlers then
    handlers.on_lines(lines)
  end
end

--- Takes what happened to the connection; called by the host.
---@param kind assistant.TransportEvent
---@param detail string
function M.on_event(kind, detail)
  if handlers and kind == 'connected' and detail ~= HOST_VERSION then
    M.close()
    handlers.on_event('failed', 'the plugin was updated while it ran.', 'Restart Neovim.')
  elseif handlers then
    handlers.on_event(kind, detail, detail:find('No module named') and 'Run :AIInstall.' or nil)
  end
end

--- Returns the process id of the host, or nil.
---@return integer?
function M.pid()
  local ok, pid = pcall(vim.fn.jobpid, channel or 0)
  return ok and pid or nil
end

return M
