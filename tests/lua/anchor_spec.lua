local anchor_module = require('assistant.completion.anchor')

local function at(lines, row, col)
  vim.cmd('enew!')
  vim.o.virtualedit = 'onemore'
  vim.api.nvim_buf_set_lines(0, 0, -1, false, lines)
  vim.api.nvim_win_set_cursor(0, { row, col })
  return anchor_module.here()
end

local function put(row, col, text)
  local lines = vim.split(text, '\n', { plain = true })
  vim.api.nvim_buf_set_text(0, row - 1, col, row - 1, col, lines)
  local last = #lines == 1 and col + #text or #lines[#lines]
  vim.api.nvim_win_set_cursor(0, { row + #lines - 1, last })
end

it('reads what was typed since from the buffer', function()
  local anchor = at({ 'a = f()', 'b' }, 1, 6)
  eq('', anchor_module.typed_since(anchor))
  put(1, 6, 'xü')
  eq('xü', anchor_module.typed_since(anchor))
  put(1, 9, '\n  y')
  eq('xü\n  y', anchor_module.typed_since(anchor))
end)

it('does not fit any more after any other change', function()
  local changes = {
    function()
      vim.api.nvim_win_set_cursor(0, { 1, 0 })
    end,
    function()
      vim.api.nvim_win_set_cursor(0, { 2, 0 })
    end,
    function()
      vim.api.nvim_buf_set_lines(0, 0, 0, false, { 'above' })
    end,
    function()
      vim.api.nvim_buf_set_lines(0, -1, -1, false, { 'below' })
    end,
    function()
      vim.api.nvim_buf_set_text(0, 0, 0, 0, 1, { 'z' })
    end,
    function()
      vim.api.nvim_buf_set_text(0, 0, 6, 0, 7, { ']' })
      vim.api.nvim_win_set_cursor(0, { 1, 6 })
    end,
    function()
      vim.cmd('enew!')
    end,
  }
  for index, change in ipairs(changes) do
    local anchor = at({ 'a = f()', 'b' }, 1, 6)
    change()
    eq({ index, nil }, { index, anchor_module.typed_since(anchor) })
  end
end)

local function items(anchor, text, first, last)
  local range = {
    start = { line = anchor.row, character = first },
    ['end'] = { line = anchor.row, character = last },
  }
  return anchor_module.session_items(
    { items = { { id = 1, insertText = text, range = range } } },
    anchor
  )
end

it('turns the range of an item into what to insert at the cursor', function()
  local anchor = at({ 'x = foo()' }, 1, 8)
  eq({ { id = '1', text = 'a', delete = 0 } }, items(anchor, 'a', 8, 8))
  eq({ { id = '1', text = 'a', delete = 0 } }, items(anchor, 'foo(a', 4, 8))
  eq({ { id = '1', text = 'a', delete = 0 } }, items(anchor, 'a)', 8, 9))
  eq({ { id = '1', text = 'a]', delete = 1 } }, items(anchor, 'a]', 8, 9))
  eq({}, items(anchor, 'bar(a', 4, 8))
  eq({}, items(anchor, '', 8, 8))
end)

it('takes no items where there are none', function()
  local anchor = at({ '' }, 1, 0)
  eq({}, anchor_module.session_items({}, anchor))
  eq({}, anchor_module.session_items({ items = {} }, anchor))
end)
