local document = require('assistant.document')

--- Applies one whole-line change, as the daemon does.
local function apply(lines, change, now)
  local result = vim.list_slice(lines, 1, change.first)
  vim.list_extend(result, vim.list_slice(now, change.first + 1, change.new_last))
  return vim.list_extend(result, vim.list_slice(lines, change.old_last + 1))
end

it('merges any run of changes into one that leads to the same text', function()
  math.randomseed(7)
  for _ = 1, 300 do
    local before = {}
    for index = 1, math.random(1, 8) do
      before[index] = 'line ' .. index
    end
    vim.cmd('enew!')
    vim.api.nvim_buf_set_lines(0, 0, -1, false, before)
    local merged
    vim.api.nvim_buf_attach(0, false, {
      on_lines = function(_, _, _, first, old_last, new_last)
        merged = document.merge(merged, first, old_last, new_last)
      end,
    })
    for step = 1, math.random(1, 5) do
      local count = vim.api.nvim_buf_line_count(0)
      local first = math.random(0, count)
      local last = math.random(first, count)
      local new = {}
      for index = 1, math.random(0, 3) do
        new[index] = ('new %d.%d'):format(step, index)
      end
      if #new > 0 or last - first < count then
        vim.api.nvim_buf_set_lines(0, first, last, false, new)
      end
    end
    local now = vim.api.nvim_buf_get_lines(0, 0, -1, false)
    eq(now, merged and apply(before, merged, now) or before)
  end
end)

it('takes ordinary local files and unnamed buffers only', function()
  vim.cmd('enew!')
  ok(document.is_eligible(0 + vim.api.nvim_get_current_buf()))
  for _, name in ipairs({ 'ssh://host/x', 'term://x', 'fugitive:///x' }) do
    vim.cmd('enew!')
    vim.api.nvim_buf_set_name(0, name)
    ok(not document.is_eligible(vim.api.nvim_get_current_buf()), name)
  end
  for _, buftype in ipairs({ 'nofile', 'prompt', 'help', 'quickfix', 'acwrite' }) do
    vim.cmd('enew!')
    pcall(function()
      vim.bo.buftype = buftype
    end)
    eq({ buftype, vim.bo.buftype == '' }, {
      buftype,
      document.is_eligible(vim.api.nvim_get_current_buf()),
    })
  end
end)

it('takes no buffer over 1 MiB', function()
  vim.cmd('enew!')
  local line = ('x'):rep(1023)
  local lines = {}
  for index = 1, 1024 do
    lines[index] = line
  end
  vim.api.nvim_buf_set_lines(0, 0, -1, false, lines)
  ok(document.is_eligible(vim.api.nvim_get_current_buf()))
  vim.api.nvim_buf_set_lines(0, 0, 0, false, { '' })
  ok(not document.is_eligible(vim.api.nvim_get_current_buf()))
end)

it('finds the root of a file by its marker', function()
  local root = vim.fn.tempname()
  vim.fn.mkdir(root .. '/.git', 'p')
  vim.fn.mkdir(root .. '/deep/er/inner', 'p')
  vim.fn.writefile({}, root .. '/deep/er/.assistant.toml')
  local function root_of(path)
    vim.cmd('edit! ' .. root .. path)
    return document.root_uri(vim.api.nvim_get_current_buf())
  end
  eq(vim.uri_from_fname(root), root_of('/deep/a.py'))
  eq(vim.uri_from_fname(root .. '/deep/er'), root_of('/deep/er/inner/b.py'))
end)

it('the root of what is no file here is that of the current folder', function()
  local root = vim.fn.fnamemodify(vim.fn.tempname(), ':h') .. '/project'
  vim.fn.mkdir(root .. '/.git', 'p')
  local before = vim.fn.getcwd()
  vim.cmd('cd ' .. root)
  local uri = vim.uri_from_fname(vim.fn.getcwd())
  vim.cmd('file health://')
  eq(uri, document.root_uri(vim.api.nvim_get_current_buf()))
  eq(uri, document.root_uri(nil))
  vim.cmd('cd ' .. before)
end)

it('the home directory is no root unless it is marked as one', function()
  local before, home = vim.fn.getcwd(), vim.env.HOME
  local path = vim.fn.fnamemodify(vim.fn.tempname(), ':h') .. '/home'
  vim.fn.mkdir(path, 'p')
  vim.cmd('cd ' .. path)
  path = vim.fn.getcwd()
  eq(vim.uri_from_fname(path), document.root_uri(nil))
  vim.env.HOME = path
  eq(nil, document.root_uri(nil))
  vim.fn.mkdir(path .. '/.git')
  eq(vim.uri_from_fname(path), document.root_uri(nil))
  vim.env.HOME = home
  vim.cmd('cd ' .. before)
end)
