--- `:AIModel`: the models of the roles, and another one for the role that the person is at.
local daemon = require('assistant.daemon')
local message = require('assistant.message')
local methods = require('assistant.rpc.methods')

local M = {}

--- The longest that completing a name may hold up the editor while the daemon lists them.
local COMPLETE_MS = 1500

---@type string[]
local installed = {}

---@return 'chat'|'completion'
local function current_role()
  return vim.bo.filetype == 'assistant-chat' and 'chat' or 'completion'
end

---@param result table
---@return string
local function summary(result)
  local parts = {}
  for _, role in ipairs({ 'completion', 'chat', 'edit', 'embedding' }) do
    local name = (result.roles or {})[role]
    if name or role == 'completion' or role == 'chat' then
      table.insert(parts, ('%s: %s'):format(role, name or 'none'))
    end
  end
  return table.concat(parts, ', ') .. (' (%s)'):format(result.engine or 'no engine')
end

---@param callback fun(result: table)
local function fetch(callback)
  daemon.request(methods.MODELS, vim.empty_dict(), function(err, result)
    if err then
      message.from_error(err)
    else
      installed = result.installed or {}
      callback(result)
    end
  end)
end

--- Shows the models, or switches the role of the current buffer to `name`.
---@param name string
function M.run(name)
  name = vim.trim(name)
  local role = current_role()
  if name == '' then
    fetch(function(result)
      message.info(summary(result))
    end)
    return
  end
  daemon.request(methods.SET_MODEL, { role = role, name = name }, function(err, result)
    if err then
      message.from_error(err)
      return
    end
    installed = result.installed or installed
    message.info(('%s is by %s now.'):format(role, (result.roles or {})[role] or name))
  end)
end

--- Returns the installed models whose name begins with `lead`.
---@param lead string
---@return string[]
function M.complete(lead)
  if #installed == 0 and daemon.state().state == 'ready' then
    fetch(function() end)
    -- The person asked for a list and looks at the command line: nothing else can be done.
    vim.wait(COMPLETE_MS, function()
      return #installed > 0
    end, 10)
  end
  return vim.tbl_filter(function(name)
    return vim.startswith(name, lead)
  end, installed)
end

return M
