--- `:AIInstall`: builds the plugin's own Python environment beside the one in use, then switches.
---
--- A virtual environment can't be moved, so each is built where it stays, `venv-<n>`; `venv` is a
--- link that is replaced by rename, which is atomic. Only a whole one has the marker file.
local compat = require('assistant.compat')
local event = require('assistant.event')
local log = require('assistant.log')
local message = require('assistant.message')
local python = require('assistant.python')

local M = {}

local uv = compat.uv

local TICK_MS = 1000
--- Prints the version, and fails where no virtual environment can be made.
local PROBE = 'import sys, venv, ensurepip; sys.exit(0 if sys.version_info >= (3, 10) else 3)'
local VERIFY = 'import pynvim, pydantic, assistant; print(assistant.__version__)'
--- Newest first; the plain name is tried before them.
local PYTHONS = { 'python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10' }

---@class assistant.Install
---@field dir string
---@field step string
---@field started_ms number
---@field timer userdata

---@type assistant.Install?
local running

---@return string
local function base_dir()
  return vim.fn.fnamemodify(python.venv_dir(), ':h')
end

---@return string
local function lock_path()
  return base_dir() .. '/install.lock'
end

---@param path string
---@return string?
local function read(path)
  local file = io.open(path, 'r')
  local text = file and file:read('*a')
  if file then
    file:close()
  end
  return text
end

---@param path string
---@param text string
---@return boolean
local function write(path, text)
  local file = io.open(path, 'w')
  if not file then
    return false
  end
  local ok = file:write(text)
  return file:close() and ok ~= nil
end

--- Takes the lock of the installation, over from an editor that is gone.
---@return boolean taken
local function lock()
  for _ = 1, 2 do
    -- 'wx': fails where the file is there.
    local fd = uv.fs_open(lock_path(), 'wx', 420)
    if fd then
      uv.fs_write(fd, tostring(vim.fn.getpid()), 0)
      uv.fs_close(fd)
      return true
    end
    local owner = tonumber(read(lock_path()) or '')
    if owner and owner ~= vim.fn.getpid() and uv.kill(owner, 0) == 0 then
      return false
    end
    uv.fs_unlink(lock_path())
  end
  return false
end

local function tell()
  if running then
    local seconds = math.floor((uv.now() - running.started_ms) / 1000)
    message.progress(('%s, %d s'):format(running.step, seconds))
  end
end

---@param step string
local function enter(step)
  if running then
    running.step = step
    log.info('install: %s', step)
    tell()
  end
end

--- Runs a program. Its output goes to the log; the last line that says something is kept.
---@param command string[]
---@param callback fun(code: integer, last: string)
local function run(command, callback)
  local last = ''
  local function take(line)
    line = vim.trim(line)
    if line ~= '' then
      last = line
      log.info('install: %s', line)
    end
  end
  -- Output comes in pieces: the last line of each goes on in the next.
  local rest = { stdout = '', stderr = '' }
  local function on_output(_, lines, stream)
    lines[1] = rest[stream] .. lines[1]
    rest[stream] = table.remove(lines)
    for _, line in ipairs(lines) do
      take(line)
    end
  end
  log.info('install: runs %s', table.concat(command, ' '))
  local ok, job = pcall(vim.fn.jobstart, command, {
    cwd = base_dir(),
    -- What the person set for other Pythons leads pip astray.
    env = { PYTHONPATH = '', PYTHONHOME = '', PIP_USER = '0', PYTHONNOUSERSITE = '1' },
    on_stdout = on_output,
    on_stderr = on_output,
    on_exit = function(_, code)
      -- Output may arrive after the exit.
      vim.schedule(function()
        take(rest.stdout)
        take(rest.stderr)
        callback(code, last)
      end)
    end,
  })
  if not ok or job <= 0 then
    vim.schedule(function()
      callback(127, command[1] .. " can't be started")
    end)
  end
end

local function finish()
  if running then
    running.timer:stop()
    running.timer:close()
    running = nil
  end
  uv.fs_unlink(lock_path())
end

---@param text string
---@param hint string?
local function fail(text, hint)
  if running then
    vim.fn.jobstart({ 'rm', '-rf', running.dir }, { detach = true })
  end
  finish()
  message.from_error({ code = -32803, message = text, data = { hint = hint } })
end

--- Removes environments that nobody uses any more.
---@param kept string name of the one in use
local function sweep(kept)
  local command = { 'rm', '-rf' }
  for name in M.entries(base_dir()) do
    if name:match('^venv%-%d+$') and name ~= kept then
      table.insert(command, base_dir() .. '/' .. name)
    end
  end
  if #command > 2 then
    vim.fn.jobstart(command, { detach = true })
  end
end

--- Makes `venv` point to the finished environment, in one step.
---@return boolean
local function switch()
  local dir = (running --[[@as assistant.Install]]).dir
  local link, temporary = python.venv_dir(), base_dir() .. '/venv.new'
  if not write(dir .. '/.assistant-ready', require('assistant.rpc.methods').PLUGIN_VERSION) then
    return false
  end
  uv.fs_unlink(temporary)
  local stat = uv.fs_lstat(link)
  if stat and stat.type == 'directory' then
    uv.fs_rename(link, base_dir() .. '/venv-0')
  end
  local name = vim.fn.fnamemodify(dir, ':t')
  return uv.fs_symlink(name, temporary) ~= nil and uv.fs_rename(temporary, link) ~= nil
end

local function complete()
  if not switch() then
    fail(('%s is not writable.'):format(base_dir()), 'Make it so, then run :AIInstall again.')
    return
  end
  local dir = (running --[[@as assistant.Install]]).dir
  sweep(vim.fn.fnamemodify(dir, ':t'))
  finish()
  local option = require('assistant.config').get().python
  local more = option and " Option 'python' is set and goes before it." or ''
  message.info('the Python environment is ready.' .. more)
  event.emit('AssistantInstallDone', { path = python.venv_dir() })
  local daemon = require('assistant.daemon')
  -- Whatever failed for want of packages is tried again with them.
  if daemon.state().state == 'failed' then
    daemon.start()
  end
end

local function verify()
  enter('checking the environment')
  local dir = (running --[[@as assistant.Install]]).dir
  run({ dir .. '/bin/python', '-c', VERIFY }, function(code, last)
    if code == 0 then
      complete()
    else
      fail('the new environment does not work: ' .. last .. '.', 'See :AILog.')
    end
  end)
end

--- Installs the plugin's folder with the first of `commands` that succeeds.
---@param commands string[][]
local function install_packages(commands)
  local command = table.remove(commands, 1)
  run(command, function(code, last)
    if code == 0 then
      verify()
    elseif #commands > 0 then
      log.warn('install: %s failed, trying another way', command[1])
      install_packages(commands)
    else
      fail(
        ('packages: %s.'):format((last:gsub('%.$', ''):gsub('^%a*[Ee][Rr][Rr]%a*: ', ''))),
        'See :AILog.'
      )
    end
  end)
end

--- Returns the commands that install with `uv`: the build of PyTorch that fits this machine, and
--- where its own index can't be reached the configured one's.
---@param program string[]
---@return string[][]
local function uv_commands(program)
  local dir = (running --[[@as assistant.Install]]).dir
  local install = { 'pip', 'install', '--python', dir .. '/bin/python' }
  local base = vim.list_extend(vim.deepcopy(program), install)
  local fitting = vim.list_extend(vim.deepcopy(base), { '--torch-backend=auto' })
  return {
    vim.list_extend(fitting, { python.plugin_root() }),
    vim.list_extend(base, { python.plugin_root() }),
  }
end

---@param candidates string[]
---@param reasons string[]
local function with_python(candidates, reasons)
  local name = table.remove(candidates, 1)
  while name and vim.fn.executable(name) == 0 do
    name = table.remove(candidates, 1)
  end
  if not name then
    fail(M.why_no_python(reasons))
    return
  end
  run({ name, '-c', PROBE }, function(code, last)
    if code ~= 0 then
      table.insert(reasons, code == 3 and 'old' or last)
      with_python(candidates, reasons)
      return
    end
    enter('making the environment')
    local dir = (running --[[@as assistant.Install]]).dir
    run({ name, '-m', 'venv', dir }, function(made, said)
      if made ~= 0 then
        table.insert(reasons, said)
        with_python(candidates, reasons)
        return
      end
      local own = dir .. '/bin/python'
      enter('getting the installer')
      run({ own, '-m', 'pip', 'install', 'uv' }, function(got)
        local commands = got == 0 and uv_commands({ own, '-m', 'uv' }) or {}
        table.insert(commands, { own, '-m', 'pip', 'install', python.plugin_root() })
        enter('installing packages')
        install_packages(commands)
      end)
    end)
  end)
end

--- Returns what was wrong with every Python that was found, and the cure; it fits 80 columns.
---@param reasons string[]
---@return string
function M.why_no_python(reasons)
  local said = table.concat(reasons, '\n')
  if said:find('venv') or said:find('ensurepip') then
    if uv.fs_stat('/etc/debian_version') then
      return 'no venv: sudo apt install python3-venv, then :AIInstall.'
    end
    return "install Python's venv module, or uv, then :AIInstall."
  elseif said:find('old') then
    return 'Python is too old: install 3.10+ or uv, then :AIInstall.'
  end
  return 'no python3: install Python 3.10+ or uv, then :AIInstall.'
end

--- Returns the names in a folder, one a call.
---@param path string
---@return fun(): string?
function M.entries(path)
  local scan = uv.fs_scandir(path)
  return function()
    return scan and uv.fs_scandir_next(scan)
  end
end

---@return string
local function fresh_dir()
  local highest = 0
  for name in M.entries(base_dir()) do
    highest = math.max(highest, tonumber(name:match('^venv%-(%d+)$')) or 0)
  end
  return ('%s/venv-%d'):format(base_dir(), highest + 1)
end

--- Builds or repairs the environment. Returns at once.
function M.run()
  if running then
    message.info('an installation is running already: ' .. running.step .. '.')
    return
  end
  if compat.is_windows then
    message.error('native Windows is not supported. Use Neovim inside WSL 2.')
    return
  end
  local made = pcall(vim.fn.mkdir, base_dir(), 'p')
  if not made or vim.fn.filewritable(base_dir()) ~= 2 then
    message.error(("%s can't be written to. Make it writable."):format(base_dir()))
    return
  end
  if not lock() then
    message.info('another editor is installing; wait until it is done.')
    return
  end
  local timer = uv.new_timer()
  running = { dir = fresh_dir(), step = '', started_ms = uv.now(), timer = timer }
  timer:start(TICK_MS, TICK_MS, vim.schedule_wrap(tell))
  enter('looking for Python')
  if vim.fn.executable('uv') == 1 then
    run({ 'uv', 'venv', '--python', '>=3.10', running.dir }, function(code)
      if code == 0 then
        enter('installing packages')
        install_packages(uv_commands({ 'uv' }))
      else
        with_python(vim.deepcopy(PYTHONS), {})
      end
    end)
  else
    with_python(vim.deepcopy(PYTHONS), {})
  end
end

--- Whether an installation runs in this editor.
---@return boolean
function M.is_running()
  return running ~= nil
end

vim.api.nvim_create_autocmd('VimLeavePre', {
  group = vim.api.nvim_create_augroup('assistant.install', {}),
  callback = function()
    if running then
      uv.fs_unlink(lock_path())
    end
  end,
})

return M
