--- `:checkhealth assistant`. Each failure is one sentence and one command.
local compat = require('assistant.compat')
local config = require('assistant.config')
local daemon = require('assistant.daemon')
local methods = require('assistant.rpc.methods')
local python = require('assistant.python')

local M = {}

--- The person asked and looks at the report, so waiting for the daemon is fine.
local DAEMON_MS = 15000

--- Prints the version, then the packages that are not there. Imports none: some take seconds.
local PROBE = [[
import sys
from importlib.util import find_spec
print('%d.%d.%d' % sys.version_info[:3])
names = ('pynvim', 'pydantic', 'pydantic_settings', 'typer', 'rich', 'platformdirs', 'psutil',
         'ollama', 'xllamacpp', 'chromadb', 'onnxruntime', 'tree_sitter')
print(' '.join(name for name in names if find_spec(name) is None))
sys.exit(0 if sys.version_info >= (3, 10) else 3)
]]

local report = compat.health()

--- Asks the daemon and waits. Returns the answer, or nil and why.
---@param method string
---@param params table
---@return any result
---@return assistant.Error? err
---@return number milliseconds
local function ask(method, params)
  local started = compat.uv.hrtime()
  local done, failure, answer = false, nil, nil
  daemon.request(method, params, function(err, result)
    done, failure, answer = true, err, result
  end)
  vim.wait(DAEMON_MS, function()
    return done
  end, 5)
  if not done then
    failure = {
      message = ('the daemon did not answer within %d s.'):format(DAEMON_MS / 1000),
      data = { hint = "Run 'assistant stop', then :checkhealth assistant." },
    }
  end
  return answer, failure, (compat.uv.hrtime() - started) / 1e6
end

---@param err assistant.Error
local function report_error(err)
  local hint = (err.data or {}).hint or ''
  if hint ~= '' then
    report.error(err.message, { hint })
  else
    -- Neovim 0.7 breaks on a nil that is passed.
    report.error(err.message)
  end
end

local function check_editor()
  report.start('Editor')
  local version = vim.version()
  local text = ('Neovim %d.%d.%d'):format(version.major, version.minor, version.patch)
  if compat.is_windows then
    report.error('Native Windows is not supported.', { 'Use Neovim inside WSL 2.' })
  elseif vim.fn.has('nvim-0.7.2') == 0 then
    report.error(text .. ' is too old.', { 'Install Neovim 0.7.2 or newer.' })
  else
    report.ok(text)
  end
end

local function check_python()
  report.start('Python')
  local found, err = python.find()
  if not found then
    report_error(err --[[@as assistant.Error]])
    return
  end
  local sources = {
    option = "option 'python'",
    install = 'made by :AIInstall',
    repository = "the repository's own",
    system = "the system's",
  }
  local said = vim.fn.systemlist({ found.path, '-c', PROBE })
  local where = ('%s (%s)'):format(found.path, sources[found.source] or found.source)
  local advice = { 'Run :AIInstall.' }
  if found.source == 'option' then
    advice = { "Remove the option 'python', then run :AIInstall." }
  end
  if vim.v.shell_error == 3 then
    report.error(('Python %s is older than 3.10: %s.'):format(said[1], where), advice)
  elseif vim.v.shell_error ~= 0 then
    report.error(where .. ' does not run.', advice)
  elseif (said[2] or '') ~= '' then
    report.error(('%s lacks packages: %s.'):format(where, (said[2]:gsub(' ', ', '))), advice)
  else
    report.ok(('Python %s: %s'):format(said[1], where))
  end
end

--- Whether a command is this plugin's own: its description stands in the plugin's file. Where a Lua
--- command was defined, Neovim tells only under 'verbose'.
---@param command table from `nvim_get_commands`
---@param plugin string text of plugin/assistant.lua
---@return boolean
local function is_own(command, plugin)
  local description = command.desc or command.definition or ''
  return description ~= '' and plugin:find(description, 1, true) ~= nil
end

local function check_collisions()
  report.start('Commands')
  local prefix = vim.g.assistant_prefix or config.get().command_prefix
  local commands = vim.api.nvim_get_commands({})
  local path = python.plugin_root() .. '/plugin/assistant.lua'
  local plugin = table.concat(vim.fn.readfile(path), '\n')
  local count, foreign = 0, {}
  for _, name in ipairs(M.commands) do
    local command = commands[prefix .. name]
    if command and is_own(command, plugin) then
      count = count + 1
    else
      table.insert(foreign, (':%s%s'):format(prefix, name))
    end
  end
  if #foreign > 0 then
    report.warn('Defined by something else: ' .. table.concat(foreign, ', ') .. '.', {
      "Set command_prefix, e.g. :lua require('assistant').setup({ command_prefix = 'LA' })",
    })
  else
    report.ok(('%d commands under :%s'):format(count, prefix))
  end
end

--- Names of the commands without their prefix.
M.commands = {
  'Chat',
  'Context',
  'Explain',
  'Index',
  'Install',
  'Log',
  'Model',
  'Search',
  'Status',
  'Stop',
  'Toggle',
}

---@param status table
local function check_engine(status)
  report.start('Engine and models')
  local engine = status.engine or {}
  if engine.reachable then
    report.ok(('%s %s answers'):format(engine.name, engine.version or ''))
  else
    local detail = (engine.detail or '') ~= '' and ': ' .. engine.detail or ''
    report.warn(('%s does not answer%s'):format(engine.name or 'The engine', detail), {
      "Start Ollama with 'ollama serve', or set engine = 'llamacpp'.",
    })
  end
  local roles = status.roles or {}
  for _, role in ipairs({ 'completion', 'chat' }) do
    if roles[role] then
      report.ok(('%s: %s'):format(role, roles[role]))
    else
      report.warn(('There is no model for %s.'):format(role), {
        "Fetch one with 'ollama pull qwen2.5-coder:1.5b'.",
      })
    end
  end
  report.info('hardware tier: ' .. (status.hardwareTier or 'unknown'))
end

---@param status table
local function check_index(status)
  report.start('Index')
  local uri = require('assistant.chat.code').root_uri()
  if not uri then
    report.info("This folder is no project: no '.git' or '.assistant.toml' above it.")
    return
  end
  local index = ask(methods.INDEX_STATUS, { rootUri = uri })
  index = index or (status.index or {})[1]
  if not index or index.state == 'none' then
    report.warn('This project has no index yet.', { 'Run :AIIndex.' })
    return
  end
  local age = index.lastRun and (', %d min old'):format((os.time() - index.lastRun) / 60) or ''
  local counts = ('%d files, %d chunks, %d vectors'):format(
    index.files or 0,
    index.chunks or 0,
    index.vectors or 0
  )
  report.ok(('%s: %s, %s%s'):format(index.root, index.state, counts, age))
end

local function check_daemon()
  report.start('Daemon')
  -- The first answer includes starting it; the second is a round trip.
  local status, err = ask(methods.STATUS, vim.empty_dict())
  if not status then
    report_error(err --[[@as assistant.Error]])
    return
  end
  local _, _, milliseconds = ask(methods.STATUS, vim.empty_dict())
  local text = 'version %s, pid %d, status within %.1f ms'
  report.ok(text:format(status.version, status.pid, milliseconds))
  if status.version ~= methods.PLUGIN_VERSION then
    local differ = 'The daemon is version %s, the plugin %s.'
    report.warn(differ:format(status.version, methods.PLUGIN_VERSION), {
      "Run 'assistant stop', then start the editor again.",
    })
  end
  for _, warning in ipairs(status.warnings or {}) do
    report.warn(warning, { 'Correct config.toml or the environment.' })
  end
  check_engine(status)
  check_index(status)
end

function M.check()
  check_editor()
  check_python()
  check_collisions()
  check_daemon()
end

return M
