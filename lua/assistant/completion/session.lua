--- Life of one suggestion, as a state machine. No drawing, no sockets, no buffers.
---
---     idle -> waiting -> streaming -> shown -> accepted
---                |           |          |----> dismissed
---                '-----------'----------'----> stale | idle (nothing to show)
---
--- What the person has put behind the anchor since the request is `typed`, by keys or by accepting
--- a part: as long as an item begins with it, the rest of that item is still the suggestion.

---@alias assistant.SessionState 'idle'|'waiting'|'streaming'|'shown'|'accepted'|'dismissed'|'stale'

---@class assistant.SessionItem
---@field id string
---@field text string
---@field delete integer? bytes right of the cursor that accepting all of it replaces
---@field is_announced boolean? whether the person has seen it

---@class assistant.Session
---@field state assistant.SessionState
---@field kind integer 1 invoked, 2 automatic
---@field items assistant.SessionItem[]
---@field index integer
---@field typed string
local Session = {}
Session.__index = Session

local M = {}

---@param kind integer 1 invoked, 2 automatic
---@return assistant.Session
function M.new(kind)
  return setmetatable(
    { state = 'waiting', kind = kind, items = {}, index = 1, typed = '' },
    Session
  )
end

--- Whether text may still come or is there.
---@return boolean
function Session:is_live()
  return self.state == 'waiting' or self.state == 'streaming' or self.state == 'shown'
end

---@return assistant.SessionItem?
function Session:current()
  return self.items[self.index]
end

--- Returns what is left of the current item behind `typed`, or nil where there is nothing to show.
---@return string?
function Session:remaining()
  local item = self:current()
  if not item or (self.state ~= 'streaming' and self.state ~= 'shown') then
    return nil
  end
  if not vim.startswith(item.text, self.typed) or #item.text == #self.typed then
    return nil
  end
  return item.text:sub(#self.typed + 1)
end

--- Chooses an item that begins with what is typed, the current one first.
---@private
---@return boolean found
function Session:choose()
  for offset = 0, #self.items - 1 do
    local index = (self.index + offset - 1) % #self.items + 1
    if vim.startswith(self.items[index].text, self.typed) then
      self.index = index
      return true
    end
  end
  return false
end

--- Whether the stream may still reach what the person has typed ahead of it.
---@private
---@return boolean
function Session:may_catch_up()
  if self.state == 'waiting' then
    return true
  end
  local item = self:current()
  return self.state == 'streaming' and item ~= nil and vim.startswith(self.typed, item.text)
end

--- Takes what stands between the anchor and the cursor; nil where the buffer no longer fits.
--- Ends the session where no item begins with it, or where all of the item has been typed.
---@param typed string?
function Session:track(typed)
  if not self:is_live() then
    return
  end
  if typed == nil then
    self.state = 'stale'
    return
  end
  self.typed = typed
  if self:may_catch_up() then
    return
  end
  if not self:choose() then
    self.state = 'stale'
  elseif self.state == 'shown' and self:remaining() == nil then
    self.state = 'idle'
  end
end

--- Takes the text of the stream so far.
---@param id string
---@param text string
function Session:partial(id, text)
  if self.state ~= 'waiting' and self.state ~= 'streaming' then
    return
  end
  local known = self:current()
  local is_announced = known ~= nil and known.id == id and known.is_announced
  self.items = { { id = id, text = text, is_announced = is_announced } }
  self.state = 'streaming'
  self:track(self.typed)
end

--- Takes the answer, which repeats what was streamed. No items mean that nothing is shown.
---@param items assistant.SessionItem[]
function Session:finish(items)
  if self.state ~= 'waiting' and self.state ~= 'streaming' then
    return
  end
  local known = self:current()
  for _, item in ipairs(items) do
    if known and known.id == item.id then
      item.is_announced = known.is_announced
    end
  end
  self.items = items
  self.index = 1
  if #items == 0 then
    self.state = 'idle'
    return
  end
  self.state = 'shown'
  self:track(self.typed)
end

--- Adds the items of a further request at the same anchor, without those already there.
---@param items assistant.SessionItem[]
---@return boolean added
function Session:add(items)
  local count = #self.items
  for _, item in ipairs(items) do
    local is_new = vim.startswith(item.text, self.typed) and #item.text > #self.typed
    for _, known in ipairs(self.items) do
      is_new = is_new and known.text ~= item.text
    end
    if is_new then
      table.insert(self.items, item)
    end
  end
  return #self.items > count
end

--- Shows the next item that fits, or the previous with -1.
---@param step 1|-1
---@return boolean moved
function Session:cycle(step)
  for offset = 1, #self.items - 1 do
    local index = (self.index + step * offset - 1) % #self.items + 1
    local text = self.items[index].text
    if vim.startswith(text, self.typed) and #text > #self.typed then
      self.index = index
      return true
    end
  end
  return false
end

--- Takes that the person accepted `text`, a beginning of what remained.
---@param text string
function Session:accept(text)
  self.typed = self.typed .. text
  if self:remaining() == nil then
    self.state = 'accepted'
  end
end

function Session:dismiss()
  if self:is_live() then
    self.state = 'dismissed'
  end
end

return M
