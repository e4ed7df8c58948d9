--- Remembers where the last key that may ask for a completion left the cursor, and in what text.
local M = {}

---@class assistant.Place
---@field bufnr integer
---@field tick integer
---@field row integer
---@field col integer

---@type assistant.Place?
local last

---@return assistant.Place
local function here()
  local bufnr = vim.api.nvim_get_current_buf()
  local row, col = unpack(vim.api.nvim_win_get_cursor(0))
  return { bufnr = bufnr, tick = vim.api.nvim_buf_get_changedtick(bufnr), row = row, col = col }
end

--- Notes that a key has been dealt with here.
function M.remember()
  last = here()
end

function M.forget()
  last = nil
end

--- Whether the text is still what it was then.
---@return boolean
function M.is_same_text()
  local now = here()
  return last ~= nil and now.bufnr == last.bufnr and now.tick == last.tick
end

--- Whether the cursor has moved since, and nothing else has happened.
---@return boolean
function M.has_only_moved()
  local now = here()
  return M.is_same_text() and (now.row ~= last.row or now.col ~= last.col)
end

return M
