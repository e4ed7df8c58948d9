--- Insert-mode keys that exist only while ghost text shows; the person's own come back after.
local compat = require('assistant.compat')
local config = require('assistant.config')

local M = {}

--- Marks a mapping as ours, so that one that the person made meanwhile is never deleted.
local DESCRIPTION = 'assistant: '

---@class assistant.ActiveMap
---@field lhs string
---@field description string
---@field saved table? the person's own buffer-local mapping of the key

---@type integer? buffer that has the maps now
local active_bufnr
---@type assistant.ActiveMap[]
local active = {}

---@param lhs string
---@return string
local function raw(lhs)
  return vim.api.nvim_replace_termcodes(lhs, true, true, true)
end

--- Returns the buffer-local insert-mode mapping of a key.
---@param bufnr integer
---@param lhs string
---@return table?
local function find(bufnr, lhs)
  local wanted = raw(lhs)
  for _, map in ipairs(vim.api.nvim_buf_get_keymap(bufnr, 'i')) do
    if raw(map.lhs) == wanted then
      return map
    end
  end
end

---@param bufnr integer
---@param map table
local function restore(bufnr, map)
  local rhs = map.rhs or ''
  if map.sid then
    rhs = rhs:gsub('<SID>', ('<SNR>%d_'):format(map.sid))
  end
  vim.api.nvim_buf_set_keymap(bufnr, 'i', map.lhs, rhs, compat.keymap_options(map))
end

--- Puts the maps into a buffer. Does nothing where they are.
---@param bufnr integer
---@param actions table<string, fun(): boolean> name of the keymap option to what it does
function M.enable(bufnr, actions)
  if active_bufnr == bufnr then
    return
  end
  M.disable()
  active_bufnr = bufnr
  for name, lhs in pairs(config.get().keymaps) do
    local action = actions[name]
    if lhs and action then
      local entry = { lhs = lhs, description = DESCRIPTION .. name, saved = find(bufnr, lhs) }
      table.insert(active, entry)
      vim.api.nvim_buf_set_keymap(bufnr, 'i', lhs, '', {
        noremap = true,
        nowait = true,
        silent = true,
        desc = entry.description,
        callback = function()
          if not action() then
            -- Nothing to act on after all: the key does what it does without us.
            M.disable()
            vim.api.nvim_feedkeys(raw(lhs), 'mi', false)
          end
        end,
      })
    end
  end
end

--- Takes the maps away and puts the person's own back.
function M.disable()
  local bufnr = active_bufnr
  active_bufnr = nil
  local entries = active
  active = {}
  if not bufnr or not vim.api.nvim_buf_is_valid(bufnr) then
    return
  end
  for _, entry in ipairs(entries) do
    local now = find(bufnr, entry.lhs)
    if now and now.desc == entry.description then
      vim.api.nvim_buf_del_keymap(bufnr, 'i', entry.lhs)
      if entry.saved then
        restore(bufnr, entry.saved)
      end
    end
  end
end

--- Maps "ask now", the one key that is there at all times, where the person has not mapped it.
---@param action fun()
function M.map_complete(action)
  local lhs = config.get().keymaps.complete
  if lhs and vim.fn.maparg(lhs, 'i') == '' then
    vim.keymap.set(
      'i',
      lhs,
      action,
      { silent = true, nowait = true, desc = DESCRIPTION .. 'complete' }
    )
  end
end

return M
