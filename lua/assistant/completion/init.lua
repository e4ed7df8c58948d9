--- Inline completion: listens to insert mode and hands on what it hears.
local config = require('assistant.config')
local controller = require('assistant.completion.controller')
local daemon = require('assistant.daemon')
local document = require('assistant.document')
local ghost = require('assistant.completion.ghost')
local keymaps = require('assistant.completion.keymaps')
local switch = require('assistant.completion.switch')
local trigger = require('assistant.completion.trigger')

local M = {
  accept = controller.accept,
  accept_line = controller.accept_line,
  accept_word = controller.accept_word,
  complete = controller.complete,
  dismiss = controller.dismiss,
  is_enabled = switch.is_enabled,
  is_visible = controller.is_visible,
  next = controller.next,
  prev = controller.prev,
  stop = controller.stop,
  suggestion = controller.suggestion,
}

local is_started = false

--- Warms up: the daemon starts and knows the buffer before the first key.
function M.on_insert_enter()
  local bufnr = vim.api.nvim_get_current_buf()
  if not switch.is_enabled(bufnr) or not document.is_eligible(bufnr) then
    return
  end
  if not trigger.is_filetype_on(config.get().completion.filetypes, vim.bo.filetype) then
    return
  end
  daemon.start({ automatic = true })
  document.attach(bufnr)
  local col = vim.api.nvim_win_get_cursor(0)[2]
  -- At the end of a line a person starts to write; elsewhere they may only correct something.
  if col >= #vim.api.nvim_get_current_line() then
    controller.ask_soon()
  end
end

local function create_autocommands()
  local group = vim.api.nvim_create_augroup('assistant.completion', {})
  local function on(events, callback, pattern)
    -- Not the function itself: an autocommand whose function returns true is deleted.
    vim.api.nvim_create_autocmd(events, {
      group = group,
      pattern = pattern,
      callback = function()
        callback()
      end,
    })
  end
  on('InsertEnter', M.on_insert_enter)
  on({ 'TextChangedI', 'TextChangedP' }, controller.on_text_changed)
  on('CursorMovedI', controller.on_cursor_moved)
  on({ 'CompleteChanged', 'CompleteDone' }, controller.draw)
  on('ModeChanged', controller.leave, 'i*:[^i]*')
  on({ 'InsertLeave', 'BufLeave' }, controller.leave)
  on('ColorScheme', ghost.set_highlight)
end

--- Notices CTRL-C, which leaves insert mode without InsertLeave, and in 0.7 without any event.
local function watch_interrupt()
  vim.on_key(function(key)
    if key == '\3' then
      vim.schedule(function()
        if vim.api.nvim_get_mode().mode:sub(1, 1) ~= 'i' then
          controller.leave()
        end
      end)
    end
  end, vim.api.nvim_create_namespace('assistant.interrupt'))
end

--- Begins to listen, and starts nothing yet. Called before the first thing that is used here.
function M.start()
  if is_started then
    return
  end
  is_started = true
  ghost.set_highlight()
  create_autocommands()
  watch_interrupt()
  keymaps.map_complete(controller.complete)
  daemon.on_lost(controller.drop)
  daemon.on_ready(controller.resume)
end

--- Switches completion off or on, everywhere or for the current buffer only, and says so.
---@param is_buffer_only boolean
function M.toggle(is_buffer_only)
  M.start()
  local bufnr = vim.api.nvim_get_current_buf()
  local is_on = switch.toggle(is_buffer_only and bufnr or nil)
  if not is_on then
    controller.leave()
  end
  local where = is_buffer_only and ' in this buffer' or ''
  require('assistant.message').info(('completion is %s%s.'):format(is_on and 'on' or 'off', where))
end

return M
