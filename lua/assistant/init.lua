--- The public API. Nothing is loaded before it is used.
local M = {}

local function completion()
  local module = require('assistant.completion')
  module.start()
  return module
end

--- Takes the options, which go over those of `vim.g.assistant`. Calling it is not necessary.
---@param options assistant.Options?
function M.setup(options)
  local config = require('assistant.config')
  config.setup(options)
  local prefix = config.get().command_prefix
  if vim.g.assistant_prefix and vim.g.assistant_prefix ~= prefix then
    -- The commands are there under another name: define them again.
    vim.g.loaded_assistant = nil
    vim.cmd(
      'source '
        .. vim.fn.fnameescape(require('assistant.python').plugin_root() .. '/plugin/assistant.lua')
    )
  end
  if package.loaded['assistant.daemon'] then
    require('assistant.daemon').configure()
  end
end

--- Asks for a suggestion at the cursor now.
---@return boolean
function M.complete()
  return completion().complete()
end

--- Accepts the whole suggestion; false where none shows.
---@return boolean
function M.accept()
  return completion().accept()
end

--- Accepts the next word of the suggestion and keeps the rest.
---@return boolean
function M.accept_word()
  return completion().accept_word()
end

--- Accepts the next line of the suggestion and keeps the rest.
---@return boolean
function M.accept_line()
  return completion().accept_line()
end

--- Shows the next suggestion.
---@return boolean
function M.next()
  return completion().next()
end

--- Shows the previous suggestion.
---@return boolean
function M.prev()
  return completion().prev()
end

--- Takes the suggestion away.
---@return boolean
function M.dismiss()
  return completion().dismiss()
end

--- Whether ghost text is on the screen.
---@return boolean
function M.is_visible()
  return completion().is_visible()
end

--- Returns what accepting would insert, or nil.
---@return string?
function M.suggestion()
  return completion().suggestion()
end

--- Returns the state of the connection and of completion, without asking the daemon.
---@return table
function M.status()
  local daemon = require('assistant.daemon').state()
  local server = daemon.server or {}
  return {
    state = daemon.state,
    error = daemon.error and daemon.error.message or nil,
    version = (server.serverInfo or {}).version,
    models = server.models or {},
    tier = server.hardwareTier,
    enabled = require('assistant.completion').is_enabled(vim.api.nvim_get_current_buf()),
    visible = completion().is_visible(),
  }
end

--- Returns a few characters for a status line; loads nothing that is not loaded.
---@return string
function M.statusline()
  if not package.loaded['assistant.daemon'] then
    return ''
  end
  local status = M.status()
  if not status.enabled then
    return 'AI off'
  end
  local signs = { off = '', connecting = 'AI …', ready = 'AI', failed = 'AI !' }
  return signs[status.state]
end

return M
