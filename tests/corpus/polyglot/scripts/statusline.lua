local M = {}

function M.render(parts)
  return table.concat(parts, ' | ')
end

local function trim(text)
  return (text:gsub('^%s+', ''))
end

M.short = function(text)
  return trim(text):sub(1, 8)
end

return M
