--- Finds the Python that the host and the daemon run under. Starts nothing.
local M = {}

--- Returns the folder of the plugin's own environment, which `:AIInstall` makes.
---@return string
function M.venv_dir()
  return vim.fn.stdpath('data') .. '/assistant/venv'
end

--- Returns the file that `:AIInstall` writes last; without it the environment is half built.
---@return string
function M.marker_path()
  return M.venv_dir() .. '/.assistant-ready'
end

--- Returns the root of the plugin: the folder of `lua/`, `rplugin/` and `assistant/`.
---@return string
function M.plugin_root()
  local here = debug.getinfo(1, 'S').source:sub(2)
  return vim.fn.fnamemodify(here, ':p:h:h:h')
end

---@class assistant.Python
---@field path string
---@field source 'option'|'install'|'repository'|'system'

--- Returns the Python to use, or nil and what the person can do.
---@return assistant.Python?
---@return assistant.Error?
function M.find()
  local chosen = require('assistant.config').get().python
  if chosen then
    chosen = vim.fn.expand(chosen)
    if vim.fn.executable(chosen) == 1 then
      return { path = chosen, source = 'option' }
    end
    return nil,
      {
        code = -32803,
        message = ("option 'python': %s can't be run."):format(chosen),
        data = { hint = 'Remove it and run :AIInstall.' },
      }
  end
  local installed = M.venv_dir() .. '/bin/python'
  if vim.fn.filereadable(M.marker_path()) == 1 and vim.fn.executable(installed) == 1 then
    return { path = installed, source = 'install' }
  end
  local own = M.plugin_root() .. '/.venv/bin/python'
  if vim.fn.executable(own) == 1 then
    return { path = own, source = 'repository' }
  end
  if vim.fn.executable('python3') == 1 then
    return { path = vim.fn.exepath('python3'), source = 'system' }
  end
  return nil,
    {
      code = -32803,
      message = 'there is no python3 on this machine.',
      data = { hint = 'Install Python 3.10 or newer, then run :AIInstall.' },
    }
end

return M
