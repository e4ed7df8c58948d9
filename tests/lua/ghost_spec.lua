local compat = require('assistant.compat')
local ghost = require('assistant.completion.ghost')

it('shows tabs as the spaces that they take from their column on', function()
  vim.bo.tabstop = 4
  eq('    x', ghost.expand('\tx', 0))
  eq('   x', ghost.expand('\tx', 1))
  eq('a   b   c', ghost.expand('a\tb\tc', 0))
  eq('日  x', ghost.expand('日\tx', 0))
end)

it('shows control characters as Neovim does', function()
  eq('a^[b^Mc', ghost.expand('a\27b\rc', 0))
end)

local function marks()
  return vim.api.nvim_buf_get_extmarks(0, ghost.namespace, 0, -1, { details = true })
end

it('draws one mark, moves it and clears it', function()
  vim.cmd('enew!')
  local bufnr = vim.api.nvim_get_current_buf()
  vim.api.nvim_buf_set_lines(0, 0, -1, false, { 'ab' })
  vim.api.nvim_win_set_cursor(0, { 1, 1 })
  ok(ghost.show(bufnr, 0, 2, 'c\n\td'))
  eq(1, #marks())
  eq('c', marks()[1][4].virt_text[1][1])
  eq(1, #marks()[1][4].virt_lines)
  ok(ghost.show(bufnr, 0, 1, 'x'))
  eq(1, #marks())
  eq(1, marks()[1][3])
  ghost.clear()
  eq({}, marks())
  ok(not ghost.is_drawn())
end)

it('draws the rest of the line again where it has to be covered', function()
  vim.cmd('enew!')
  vim.api.nvim_buf_set_lines(0, 0, -1, false, { 'f()' })
  ok(ghost.show(vim.api.nvim_get_current_buf(), 0, 2, 'ab'))
  local chunks = marks()[1][4].virt_text
  if compat.has_inline_text then
    eq({ { 'ab', 'AssistantGhost' } }, chunks)
  else
    eq({ { 'ab', 'AssistantGhost' }, { ')', 'Normal' } }, chunks)
  end
end)

it('draws nothing where it would hide what the person wrote', function()
  vim.cmd('enew!')
  vim.api.nvim_buf_set_lines(0, 0, -1, false, { 'f()' })
  eq(compat.has_inline_text, ghost.show(vim.api.nvim_get_current_buf(), 0, 2, ('x'):rep(200)))
  ghost.clear()
end)

it('draws nothing from right to left where it would be drawn wrong', function()
  vim.cmd('enew!')
  vim.api.nvim_buf_set_lines(0, 0, -1, false, { 'a' })
  vim.wo.rightleft = true
  eq(compat.has_inline_text, ghost.show(vim.api.nvim_get_current_buf(), 0, 1, 'b'))
  vim.wo.rightleft = false
  ghost.clear()
end)
