--- The only module that speaks to the person. One line each; detail belongs in the log.
local M = {}

local CANCELLED = -32800
local SUPERSEDED = -32802

---@type table<string, true>
local said = {}

local PREFIX = 'assistant: '

--- Whether messages go to the command line, and not to a plugin that shows them elsewhere.
---@return boolean
local function is_builtin()
  local source = debug.getinfo(vim.notify, 'S').source
  -- From 0.12 Neovim's own modules carry no debug information.
  return source:find('^@?vim/') ~= nil or source:find('^=?%?$') ~= nil
end

---@param text string
---@param hint string
---@return string
local function join(text, hint)
  return hint == '' and text or text .. ' ' .. hint
end

--- Shortens what would make Neovim ask for ENTER; the hint, which says what to do, is kept, and the
--- log has all of it.
---@param text string
---@param hint string
---@return string
local function fit(text, hint)
  local limit = math.max(vim.v.echospace - #PREFIX, 20)
  local whole = join(text, hint)
  if vim.fn.strdisplaywidth(whole) <= limit then
    return whole
  end
  local room = limit - vim.fn.strdisplaywidth(hint) - 2
  if hint ~= '' and room >= 10 then
    return vim.fn.strcharpart(text, 0, room) .. '… ' .. hint
  end
  return vim.fn.strcharpart(hint ~= '' and hint or text, 0, limit - 1) .. '…'
end

---@param level integer
---@param text string
---@param hint string?
local function notify(level, text, hint)
  text = text:gsub('%s*\n%s*', ' ')
  hint = (hint or ''):gsub('%s*\n%s*', ' ')
  local log = require('assistant.log')
  local write = level >= vim.log.levels.WARN and log.warn or log.info
  write('said: %s', join(text, hint))
  vim.schedule(function()
    local line = join(text, hint)
    if is_builtin() then
      vim.cmd('redraw') -- or a second message of the same tick scrolls and asks for ENTER
      line = fit(text, hint)
    end
    vim.notify(PREFIX .. line, level)
  end)
end

---@param text string
function M.info(text)
  notify(vim.log.levels.INFO, text)
end

---@param text string
function M.warn(text)
  notify(vim.log.levels.WARN, text)
end

---@param text string
function M.error(text)
  notify(vim.log.levels.ERROR, text)
end

--- Shows how far something is, in one line that replaces itself; nothing while a command is typed.
---@param text string
function M.progress(text)
  if vim.fn.mode():match('^[nvVi]') then
    local room = math.max(vim.o.columns - #PREFIX - 2, 20)
    vim.api.nvim_echo({ { vim.fn.strcharpart(PREFIX .. text, 0, room) } }, false, {})
  end
end

--- Shows an error as one line, message and hint; a cancelled request is no error.
---@param err assistant.Error
function M.from_error(err)
  if err.code == CANCELLED or err.code == SUPERSEDED then
    return
  end
  notify(vim.log.levels.ERROR, err.message or 'the request failed', (err.data or {}).hint)
  require('assistant.event').emit('AssistantError', {
    code = err.code,
    message = err.message,
    hint = (err.data or {}).hint,
  })
end

--- Shows an error that comes again with every key only the first time.
---@param err assistant.Error
function M.from_error_once(err)
  local key = ('%s %s'):format(err.code, err.message)
  if not said[key] then
    said[key] = true
    M.from_error(err)
  end
end

--- Lets `from_error_once` speak again, e.g. after a success.
function M.forget()
  said = {}
end

return M
