--- Draws a suggestion as virtual text and clears it. Knows nothing else.
---
--- From Neovim 0.10 the text stands between the characters. Before, it can only be laid over what
--- follows, so the rest of the line is drawn again behind it; where that can't be right, nothing is.
local compat = require('assistant.compat')

local M = {}

M.namespace = vim.api.nvim_create_namespace('assistant.ghost')

local HIGHLIGHT = 'AssistantGhost'
--- One extmark, moved and changed in place: there is no frame without it while typing along.
local MARK = 1

---@type integer?
local drawn_bufnr

--- Returns text as it shows on the screen from a display column on: tabs as spaces up to the next
--- tab stop, control characters in Neovim's own notation.
---@param text string
---@param column integer 0-based display column
---@return string
function M.expand(text, column)
  local parts = {}
  local from = 1
  while true do
    local tab = text:find('\t', from, true)
    local piece = vim.fn.strtrans(text:sub(from, (tab or 0) - 1))
    table.insert(parts, piece)
    if not tab then
      return table.concat(parts)
    end
    column = column + vim.fn.strdisplaywidth(piece, column)
    local width = vim.fn.strdisplaywidth('\t', column)
    table.insert(parts, (' '):rep(width))
    column = column + width
    from = tab + 1
  end
end

---@param lines string[]
---@return table[]? virtual lines, nil where there are none
local function virtual_lines(lines)
  local found = {}
  for index = 2, #lines do
    local text = M.expand(lines[index], 0)
    -- An empty virtual line is not drawn everywhere.
    table.insert(found, { { text == '' and ' ' or text, HIGHLIGHT } })
  end
  return #found > 0 and found or nil
end

--- Returns a mark for the lines that the window is too short for, or nothing.
---@param lines string[]
---@param after string
---@return string
local function more_mark(lines, after)
  local hidden = #lines - 1 - (vim.api.nvim_win_get_height(0) - vim.fn.winline())
  if hidden <= 0 or after ~= '' then
    return ''
  end
  return (' [+%d]'):format(hidden)
end

--- Returns chunks to lay over the rest of the line, or nil where that would hide the person's text.
---@param first string
---@param column integer
---@param after string
---@return table[]?
local function overlay(first, column, after)
  local info = vim.fn.getwininfo(vim.api.nvim_get_current_win())[1]
  local room = info.width - (info.textoff or 0) - column
  local chunks = { { first, HIGHLIGHT } }
  local width = vim.fn.strdisplaywidth(first, column)
  if after ~= '' then
    local tail = M.expand(after, column + width)
    table.insert(chunks, { tail, 'Normal' })
    if width + vim.fn.strdisplaywidth(tail, column + width) > room then
      return nil
    end
  elseif room <= 0 then
    return nil
  end
  return chunks
end

--- Draws a suggestion at the cursor of the current window. Returns whether anything is drawn.
---@param bufnr integer
---@param row integer 0-based
---@param col integer 0-based byte column
---@param text string
---@return boolean
function M.show(bufnr, row, col, text)
  local line = vim.api.nvim_buf_get_lines(bufnr, row, row + 1, false)[1] or ''
  local lines = vim.split(text, '\n', { plain = true })
  local column = vim.fn.strdisplaywidth(line:sub(1, col))
  local after = line:sub(col + 1)
  local first = M.expand(lines[1], column) .. more_mark(lines, after)
  local options = { id = MARK, hl_mode = 'combine', virt_lines = virtual_lines(lines) }
  if compat.has_inline_text then
    options.virt_text = first ~= '' and { { first, HIGHLIGHT } } or nil
    options.virt_text_pos = 'inline'
  elseif vim.wo.rightleft then
    M.clear()
    return false
  elseif first ~= '' then
    options.virt_text = overlay(first, column, after)
    options.virt_text_pos = 'overlay'
    if not options.virt_text then
      M.clear()
      return false
    end
  end
  if drawn_bufnr and drawn_bufnr ~= bufnr then
    M.clear()
  end
  vim.api.nvim_buf_set_extmark(bufnr, M.namespace, row, col, options)
  drawn_bufnr = bufnr
  return true
end

--- Takes the suggestion off the screen.
function M.clear()
  if drawn_bufnr and vim.api.nvim_buf_is_valid(drawn_bufnr) then
    vim.api.nvim_buf_clear_namespace(drawn_bufnr, M.namespace, 0, -1)
  end
  drawn_bufnr = nil
end

--- Whether anything is on the screen.
---@return boolean
function M.is_drawn()
  return drawn_bufnr ~= nil
end

--- Links the highlight group, unless the person or their colour scheme has set it.
function M.set_highlight()
  vim.api.nvim_set_hl(0, HIGHLIGHT, { link = 'Comment', default = true })
end

return M
