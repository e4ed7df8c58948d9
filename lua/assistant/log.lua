--- The editor's side of the log: one file, rotated at 1 MiB, opened at the first line.
local compat = require('assistant.compat')

local M = {}

local MAX_BYTES = 1024 * 1024
local LEVELS = { debug = 1, info = 2, warning = 3, error = 4 }

---@type file*?
local file
---@type fun(line: string)?
local handler
local threshold

--- Returns the path of the log file.
---@return string
function M.path()
  return compat.log_dir() .. '/assistant.log'
end

--- Replaces the file by a function, for tests; nil brings the file back.
---@param fn fun(line: string)?
function M.set_handler(fn)
  handler = fn
end

--- Sets the lowest level that is written.
---@param level 'debug'|'info'|'warning'|'error'
function M.set_level(level)
  threshold = LEVELS[level]
end

local function open()
  local path = M.path()
  vim.fn.mkdir(vim.fn.fnamemodify(path, ':h'), 'p')
  local stat = compat.uv.fs_stat(path)
  if stat and stat.size > MAX_BYTES then
    os.rename(path, path .. '.1')
  end
  file = io.open(path, 'a')
end

---@param level string
---@param fmt string
local function write(level, fmt, ...)
  threshold = threshold or LEVELS[require('assistant.config').get().log_level]
  if LEVELS[level] < threshold then
    return
  end
  local ok, text = pcall(string.format, fmt, ...)
  local line = ('%s %s %s'):format(os.date('%Y-%m-%d %H:%M:%S'), level, ok and text or fmt)
  if handler then
    handler(line)
    return
  end
  -- Lines come from job callbacks too, where Vim functions may not run.
  vim.schedule(function()
    if not file then
      open()
    end
    if file then
      file:write(line, '\n')
      file:flush()
      if file:seek('end') > MAX_BYTES then
        file:close()
        file = nil
      end
    end
  end)
end

for name, level in pairs({ debug = 'debug', info = 'info', warn = 'warning', error = 'error' }) do
  M[name] = function(fmt, ...)
    write(level, fmt, ...)
  end
end

return M
