--- Places in the text of a chat, as `path:line` or `path:first-last`. Pure.
local M = {}

local TOKEN = '[^%s`\'"()%[%]<>,;|]+:%d+'

---@class assistant.Source
---@field path string
---@field startLine integer
---@field endLine integer

--- Returns a source as it stands under an answer.
---@param source assistant.Source
---@return string
function M.format(source)
  if source.endLine and source.endLine > source.startLine then
    return ('%s:%d-%d'):format(source.path, source.startLine, source.endLine)
  end
  return ('%s:%d'):format(source.path, source.startLine)
end

--- Returns the place named at a byte column, else the only place named in the line, else nil.
---@param line string
---@param col integer 0-based
---@return string? path
---@return integer? line_number 1-based
function M.at(line, col)
  local found = {}
  local init = 1
  while true do
    local first, last = line:find(TOKEN, init)
    if not first then
      break
    end
    local path, number = line:sub(first, last):gsub('^@file:', ''):match('^(.+):(%d+)$')
    if path and not path:find('://', 1, true) then
      local place = { path = path, line = tonumber(number) }
      if col + 1 >= first and col + 1 <= last then
        return place.path, place.line
      end
      table.insert(found, place)
    end
    init = last + 1
  end
  if #found == 1 then
    return found[1].path, found[1].line
  end
  return nil
end

--- Returns the whole line as a place, for a path with spaces in the list of sources.
---@param line string
---@return string? path
---@return integer? line_number
function M.whole(line)
  local path, number = line:match('^(.+):(%d+)%-?%d*$')
  return path, tonumber(number)
end

--- Returns the path as a file on this machine.
---@param path string
---@param root string?
---@return string
function M.resolve(path, root)
  if path:match('^~/') then
    return vim.fn.expand(path)
  end
  if path:sub(1, 1) == '/' or not root then
    return path
  end
  return (root == '/' and '' or root) .. '/' .. path
end

return M
