--- `:AIStatus`, one screen of state, and `:AILog`.
local config = require('assistant.config')
local daemon = require('assistant.daemon')
local log = require('assistant.log')
local message = require('assistant.message')
local methods = require('assistant.rpc.methods')

local M = {}

---@param seconds number
---@return string
local function duration(seconds)
  if seconds < 120 then
    return ('%d s'):format(seconds)
  elseif seconds < 7200 then
    return ('%d min'):format(math.floor(seconds / 60))
  elseif seconds < 172800 then
    return ('%d h'):format(math.floor(seconds / 3600))
  end
  return ('%d days'):format(math.floor(seconds / 86400))
end

---@param value table
---@return string
local function latency(value)
  if not value or (value.p50 or -1) < 0 then
    return 'no completion yet'
  end
  return ('%.0f ms p50, %.0f ms p95'):format(value.p50, value.p95)
end

---@param index table
---@return string
local function index_line(index)
  local states = {
    none = 'not indexed, run :AIIndex',
    lexical = 'searchable by words, vectors follow',
    ready = 'ready',
    running = 'being updated',
  }
  local parts = { states[index.state] or index.state }
  if index.state ~= 'none' then
    local counts = '%d files, %d chunks, %d vectors'
    table.insert(parts, counts:format(index.files or 0, index.chunks or 0, index.vectors or 0))
  end
  if index.lastRun then
    table.insert(parts, duration(math.max(os.time() - index.lastRun, 0)) .. ' ago')
  end
  return ('%s: %s'):format(index.root, table.concat(parts, ', '))
end

--- Adds what the daemon says of itself.
---@param result table
---@param add fun(name: string, text: string)
local function add_daemon(result, add)
  local engine = result.engine or {}
  add(
    'Daemon',
    ('version %s, pid %d, up %s, %d %s'):format(
      result.version,
      result.pid,
      duration(result.uptimeSeconds or 0),
      result.clients or 0,
      result.clients == 1 and 'client' or 'clients'
    )
  )
  add('Socket', result.socket or '')
  add(
    'Engine',
    ('%s %s, %s%s'):format(
      engine.name or 'none',
      engine.version or '',
      engine.reachable and 'answers' or 'does not answer',
      (engine.detail or '') ~= '' and ', ' .. engine.detail or ''
    )
  )
  for _, role in ipairs({ 'completion', 'chat', 'edit', 'embedding' }) do
    local name = (result.roles or {})[role]
    add(role:sub(1, 1):upper() .. role:sub(2), name or 'no model')
  end
  add('Tier', result.hardwareTier or '')
  add('Latency', latency(result.latencyMs))
  for _, index in ipairs(result.index or {}) do
    add('Index', index_line(index))
  end
  for _, warning in ipairs(result.warnings or {}) do
    add('Warning', warning)
  end
end

--- Returns the screen. `result` is nil where the daemon gave none.
---@param result table?
---@param err assistant.Error?
---@return string[]
function M.lines(result, err)
  local python, missing = require('assistant.python').find()
  local version = vim.version()
  local lines = {
    ('Neovim      %d.%d.%d, plugin %s'):format(
      version.major,
      version.minor,
      version.patch,
      methods.PLUGIN_VERSION
    ),
    ('Python      %s'):format(
      python and ('%s (%s)'):format(python.path, python.source) or (missing or {}).message or 'none'
    ),
  }
  local function add(name, text)
    table.insert(lines, ('%-11s %s'):format(name, text))
  end
  if err then
    add('Daemon', vim.trim(('%s %s'):format(err.message, (err.data or {}).hint or '')))
  end
  if result then
    add_daemon(result, add)
  end
  local suggestions = config.get().completion.enabled and 'on' or 'off'
  add('Suggestions', suggestions)
  add('Logs', log.path())
  add('', M.daemon_log_path())
  return lines
end

--- Asks the daemon and shows one screen of state.
function M.show()
  daemon.request(methods.STATUS, vim.empty_dict(), function(err, result)
    require('assistant.screen').show('status', M.lines(result, err))
  end, { timeout_ms = 10000 })
end

--- Returns the daemon's log file, as assistant/paths.py says.
---@return string
function M.daemon_log_path()
  local home = vim.env.ASSISTANT_HOME
  if home and home ~= '' then
    return vim.fn.fnamemodify(home, ':p'):gsub('/+$', '') .. '/cache/daemon.log'
  end
  local cache = vim.env.XDG_CACHE_HOME
  if not cache or cache == '' then
    cache = vim.fn.expand('~/.cache')
  end
  return cache .. '/assistant/daemon.log'
end

--- Opens the editor's log and, where there is one, the daemon's below it, each at its end.
function M.log()
  local opened = false
  for _, path in ipairs({ log.path(), M.daemon_log_path() }) do
    if vim.fn.filereadable(path) == 1 then
      vim.cmd((opened and 'belowright split ' or 'tabnew ') .. vim.fn.fnameescape(path))
      vim.cmd('setlocal readonly nomodifiable autoread noswapfile')
      vim.api.nvim_win_set_cursor(0, { vim.api.nvim_buf_line_count(0), 0 })
      opened = true
    end
  end
  if not opened then
    message.info('nothing has been logged yet.')
  end
end

return M
