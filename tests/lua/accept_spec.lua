local accept = require('assistant.completion.accept')

it('takes a word with the white space before it', function()
  local cases = {
    { 'return a', 'return' },
    { ' a + b', ' a' },
    { '  == b', '  ==' },
    { 'foo.bar(', 'foo' },
    { '.bar(', '.' },
    { '(x)', '(' },
    { '日本語 x', '日本語' },
    { '\n    return', '\n    return' },
    { '   ', '   ' },
    { 'snake_case1-x', 'snake_case1' },
  }
  for _, case in ipairs(cases) do
    eq({ case[1], case[2] }, { case[1], accept.word(case[1]) })
  end
end)

it('takes a line, or the next one where it begins with a line break', function()
  eq('a', accept.line('a\nb'))
  eq('\nb', accept.line('\nb\nc'))
  eq('abc', accept.line('abc'))
  eq('\n', accept.line('\n\nb'))
end)

it('always takes something, and at last everything', function()
  for _, part in ipairs({ accept.word, accept.line }) do
    local rest, steps = 'if x then\n\n\treturn "ü ", {}\n  end', 0
    while rest ~= '' do
      local taken = part(rest)
      ok(#taken > 0, 'nothing taken of ' .. rest)
      ok(vim.startswith(rest, taken))
      rest = rest:sub(#taken + 1)
      steps = steps + 1
    end
    ok(steps > 1)
  end
end)

it('inserts several lines and puts the cursor behind them', function()
  vim.cmd('enew!')
  vim.api.nvim_buf_set_lines(0, 0, -1, false, { 'a = ()' })
  vim.api.nvim_win_set_cursor(0, { 1, 5 })
  accept.insert('x,\n  ü', 0)
  eq({ 'a = (x,', '  ü)' }, vim.api.nvim_buf_get_lines(0, 0, -1, false))
  eq({ 2, 4 }, vim.api.nvim_win_get_cursor(0))
end)

it('replaces what the item replaces', function()
  vim.cmd('enew!')
  vim.api.nvim_buf_set_lines(0, 0, -1, false, { 'f(]' })
  vim.api.nvim_win_set_cursor(0, { 1, 2 })
  accept.insert('x)', 1)
  eq({ 'f(x)' }, vim.api.nvim_buf_get_lines(0, 0, -1, false))
end)
