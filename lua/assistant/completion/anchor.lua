--- Where a request stands, what has been typed there since, and what an answer means at that place.
local M = {}

---@class assistant.Anchor
---@field bufnr integer
---@field row integer 0-based
---@field col integer 0-based byte column
---@field before string
---@field after string
---@field line_count integer

--- Returns the cursor of the current window.
---@return integer row 0-based
---@return integer col
function M.cursor()
  local position = vim.api.nvim_win_get_cursor(0)
  return position[1] - 1, position[2]
end

--- Returns an anchor at the cursor.
---@return assistant.Anchor
function M.here()
  local row, col = M.cursor()
  local line = vim.api.nvim_get_current_line()
  return {
    bufnr = vim.api.nvim_get_current_buf(),
    row = row,
    col = col,
    before = line:sub(1, col),
    after = line:sub(col + 1),
    line_count = vim.api.nvim_buf_line_count(0),
  }
end

--- Returns what stands between an anchor and the cursor, or nil where anything else has changed.
---@param anchor assistant.Anchor
---@return string?
function M.typed_since(anchor)
  if vim.api.nvim_get_current_buf() ~= anchor.bufnr then
    return nil
  end
  local row, col = M.cursor()
  local grown = vim.api.nvim_buf_line_count(0) - anchor.line_count
  if row < anchor.row or row - anchor.row ~= grown then
    return nil
  end
  local lines = vim.api.nvim_buf_get_lines(0, anchor.row, row + 1, false)
  if lines[#lines]:sub(col + 1) ~= anchor.after or not vim.startswith(lines[1], anchor.before) then
    return nil
  end
  lines[#lines] = lines[#lines]:sub(1, col)
  if #lines[1] < anchor.col then
    return nil
  end
  lines[1] = lines[1]:sub(anchor.col + 1)
  return table.concat(lines, '\n')
end

---@param item assistant.CompletionItem
---@param anchor assistant.Anchor
---@return assistant.SessionItem?
local function to_session_item(item, anchor)
  local text, delete = item.insertText, 0
  local range = item.range
  if type(text) ~= 'string' or text == '' then
    return nil
  end
  if range and range.start.line == anchor.row and range['end'].line == anchor.row then
    local head = anchor.before:sub(range.start.character + 1)
    if not vim.startswith(text, head) then
      return nil
    end
    text = text:sub(#head + 1)
    delete = math.max(0, range['end'].character - anchor.col)
    local tail = anchor.after:sub(1, delete)
    if delete > 0 and vim.endswith(text, tail) then
      text, delete = text:sub(1, -#tail - 1), 0
    end
  end
  return text ~= '' and { id = tostring(item.id), text = text, delete = delete } or nil
end

--- Returns the items of an answer as what to insert at the cursor.
---@param result table?
---@param anchor assistant.Anchor
---@return assistant.SessionItem[]
function M.session_items(result, anchor)
  local items = {}
  for _, item in ipairs((result or {}).items or {}) do
    local found = to_session_item(item, anchor)
    if found then
      table.insert(items, found)
    end
  end
  return items
end

return M
