local mentions = require('assistant.chat.mentions')

local function parsed(text)
  return vim.tbl_map(function(found)
    return found.argument and found.name .. ' ' .. found.argument or found.name
  end, mentions.parse(text))
end

local function project(files)
  local root = vim.fn.tempname()
  for name, lines in pairs(files) do
    vim.fn.mkdir(vim.fn.fnamemodify(root .. '/' .. name, ':h'), 'p')
    vim.fn.writefile(lines, root .. '/' .. name)
  end
  return root
end

local function words(items)
  return vim.tbl_map(function(item)
    return item.word
  end, items)
end

it('mentions are found at the start, after a space, a bracket or a quote', function()
  eq({ 'buffer', 'diff', 'codebase' }, parsed('@buffer and (@diff) "@codebase"'))
end)

it('an e-mail address and a decorator call are no mention of anything', function()
  eq({}, parsed('me@buffer.example'))
  eq({ {}, {} }, { mentions.resolve('what does @property do?', nil) })
end)

it('a path ends before the punctuation of the sentence', function()
  eq({ 'file a/b.py' }, parsed('what is in @file:a/b.py?'))
  eq({ 'file a.py:3-9', 'symbol load' }, parsed('(@file:a.py:3-9), @symbol:load!'))
end)

it('a space in a path is written with a backslash', function()
  eq({ 'file a b.py' }, parsed('@file:a\\ b.py please'))
end)

it('a file with lines becomes a selection, end-exclusive', function()
  local root = project({ ['a.py'] = { 'one', 'two', 'three' } })
  local attachments = mentions.resolve('@file:a.py:2-3', root)
  eq({
    kind = 'selection',
    name = 'a.py',
    uri = vim.uri_from_fname(root .. '/a.py'),
    range = { start = { line = 1, character = 0 }, ['end'] = { line = 3, character = 0 } },
  }, attachments[1])
  eq({ line = 2, character = 0 }, mentions.resolve('@file:a.py:2', root)[1].range['end'])
end)

it('what can not be attached is said', function()
  local attachments, problems = mentions.resolve('@file: @symbol: @selection', nil)
  eq({}, attachments)
  eq({
    '@file: names no path',
    '@symbol: names nothing',
    '@selection: nothing was selected',
  }, problems)
end)

it('an unnamed buffer goes as its text', function()
  vim.api.nvim_buf_set_lines(0, 0, -1, false, { 'one', 'two', 'three' })
  local attachment = mentions.selection(0, 2, 3)
  eq('selection', attachment.kind)
  eq('two\nthree', attachment.text)
  eq(nil, attachment.uri)
end)

it('diagnostics go with line, severity and one line of text', function()
  local namespace = vim.api.nvim_create_namespace('spec')
  vim.api.nvim_buf_set_lines(0, 0, -1, false, { 'one', 'two' })
  vim.diagnostic.set(namespace, 0, {
    { lnum = 1, col = 0, message = 'bad\n  name', severity = vim.diagnostic.severity.WARN },
  })
  local attachments = mentions.resolve('@diagnostics', nil)
  eq('line 2: warning: bad name', attachments[1].text)
end)

it('completion begins at the @ of the word before the cursor', function()
  eq(4, mentions.start_of('see @bu'))
  eq(0, mentions.start_of('@'))
  eq(nil, mentions.start_of('me@bu'))
  eq(nil, mentions.start_of('@buffer '))
  eq(0, mentions.start_of('@file:a\\ b'))
end)

it('words are completed by their beginning', function()
  eq({ '@diagnostics', '@diff' }, words(mentions.candidates('@di', nil)))
  eq(7, #mentions.candidates('@', nil))
end)

it('files are completed below the root, folders with a slash, spaces escaped', function()
  local root = project({ ['src/a b.py'] = {}, ['src/lib/c.py'] = {}, ['setup.py'] = {} })
  eq({ '@file:setup.py', '@file:src/' }, words(mentions.candidates('@file:s', root)))
  eq({ '@file:src/a\\ b.py', '@file:src/lib/' }, words(mentions.candidates('@file:src/', root)))
  eq({ '@file:src/a\\ b.py' }, words(mentions.candidates('@file:src/a\\ b', root)))
end)

it('a range is written relative to the root', function()
  local root = project({ ['src/a b.py'] = { 'one', 'two' } })
  vim.cmd('edit ' .. vim.fn.fnameescape(root .. '/src/a b.py'))
  local bufnr = vim.api.nvim_get_current_buf()
  local real = vim.fn.fnamemodify(vim.api.nvim_buf_get_name(bufnr), ':h:h')
  eq('@file:src/a\\ b.py:1-2', mentions.write_range(bufnr, 1, 2, real))
  vim.cmd('enew')
  eq(nil, mentions.write_range(vim.api.nvim_get_current_buf(), 1, 1, real))
end)
