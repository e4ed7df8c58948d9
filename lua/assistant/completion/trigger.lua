--- Decides whether and when to ask for a completion. Pure: what it needs to know is handed in.
local M = {}

--- Above this many characters right of the cursor a suggestion is in the way.
local MAX_RIGHT_CHARACTERS = 8
local SHORTEST_AUTO_MS, LONGEST_AUTO_MS = 75, 300
--- How many pauses between keys the automatic debounce looks back on.
local WINDOW = 20
--- A pause for thought says nothing about the speed of typing.
local LONGEST_PAUSE_MS = 1000

---@class assistant.TriggerView
---@field kind integer 1 invoked, 2 automatic
---@field is_enabled boolean
---@field is_eligible boolean whether the daemon may have this buffer
---@field is_recording boolean a macro is recorded or executed
---@field is_menu_visible boolean
---@field mode string
---@field filetype string
---@field filetypes table<string, boolean>
---@field right string the text right of the cursor

--- Whether a filetype is switched on; '*' stands for those that are not named.
---@param filetypes table<string, boolean>
---@param filetype string
---@return boolean
function M.is_filetype_on(filetypes, filetype)
  local flag = filetypes[filetype]
  if flag == nil then
    flag = filetypes['*']
  end
  return flag ~= false
end

--- Returns whether to ask, and if not, why in a few words.
---@param view assistant.TriggerView
---@return boolean
---@return string? reason
function M.allows(view)
  if view.mode ~= 'i' then
    return false, 'not in insert mode'
  elseif not view.is_eligible then
    return false, 'not an ordinary file of up to 1 MiB'
  elseif view.is_recording then
    return false, 'a macro is running'
  elseif view.is_menu_visible then
    return false, 'the completion menu is open'
  elseif view.kind == 1 then
    return true
  elseif not view.is_enabled then
    return false, 'completion is off'
  elseif not M.is_filetype_on(view.filetypes, view.filetype) then
    return false, ("completion is off for '%s'"):format(view.filetype)
  end
  local right = view.right:gsub('[%s%)%]}>"\'`;,:]', '')
  if vim.fn.strchars(right) > MAX_RIGHT_CHARACTERS then
    return false, 'text right of the cursor'
  end
  return true
end

---@class assistant.Rhythm
---@field private last_ms number?
---@field private pauses_ms number[]
local Rhythm = {}
Rhythm.__index = Rhythm

--- Returns a memory of how fast the person types.
---@return assistant.Rhythm
function M.new_rhythm()
  return setmetatable({ pauses_ms = {} }, Rhythm)
end

---@param now_ms number
function Rhythm:key(now_ms)
  local pause_ms = self.last_ms and now_ms - self.last_ms
  self.last_ms = now_ms
  if pause_ms and pause_ms < LONGEST_PAUSE_MS then
    table.insert(self.pauses_ms, pause_ms)
    if #self.pauses_ms > WINDOW then
      table.remove(self.pauses_ms, 1)
    end
  end
end

--- Returns how long to wait after a key: a little longer than this person's usual pause, so that
--- a request is sent when they stop and not between two keys of one word.
---@param setting 'auto'|integer
---@return integer milliseconds
function Rhythm:delay_ms(setting)
  if setting ~= 'auto' then
    return setting --[[@as integer]]
  end
  if #self.pauses_ms == 0 then
    return SHORTEST_AUTO_MS
  end
  local sum = 0
  for _, pause_ms in ipairs(self.pauses_ms) do
    sum = sum + pause_ms
  end
  local delay_ms = math.floor(1.2 * sum / #self.pauses_ms + 0.5)
  return math.min(LONGEST_AUTO_MS, math.max(SHORTEST_AUTO_MS, delay_ms))
end

return M
