local config = require('assistant.config')
local keymaps = require('assistant.completion.keymaps')

local pressed
local actions = {
  accept = function()
    pressed = 'accept'
    return true
  end,
  dismiss = function()
    return false
  end,
}

local function type_keys(keys)
  pressed = nil
  vim.cmd('enew!')
  keymaps.enable(vim.api.nvim_get_current_buf(), actions)
  local raw = vim.api.nvim_replace_termcodes('i' .. keys .. '<Esc>', true, true, true)
  vim.api.nvim_feedkeys(raw, 'xt', false)
  keymaps.disable()
  return vim.api.nvim_get_current_line()
end

local function insert_maps()
  return vim.api.nvim_buf_get_keymap(0, 'i')
end

it('acts on its key and leaves none behind', function()
  eq('', type_keys('<Tab>'))
  eq('accept', pressed)
  eq({}, insert_maps())
end)

it('lets the key do what it does where there is nothing to act on', function()
  vim.cmd('iabbrev <buffer> zz expanded')
  eq('a', type_keys('a<C-]>'))
end)

it('takes only the keys that are set', function()
  config.setup({ keymaps = { accept = false } })
  eq('\t', type_keys('<Tab>'))
  config.setup(nil)
end)

it('puts the own mappings back as they were, whatever their kind', function()
  vim.cmd('enew!')
  local bufnr = vim.api.nvim_get_current_buf()
  local called
  local kinds = {
    { 'x<C-r>=1+1<CR>', {} },
    { '<C-y>', { noremap = true, nowait = true, silent = true } },
    { "pumvisible() ? '<C-n>' : 'tab'", { expr = true, noremap = true } },
    {
      '',
      {
        callback = function()
          called = true
        end,
        desc = 'mine',
      },
    },
  }
  for _, kind in ipairs(kinds) do
    vim.api.nvim_buf_set_keymap(bufnr, 'i', '<Tab>', kind[1], kind[2])
    local before = insert_maps()
    keymaps.enable(bufnr, actions)
    eq(
      'assistant: accept',
      vim.tbl_filter(function(map)
        return map.lhs == '<Tab>'
      end, insert_maps())[1].desc
    )
    keymaps.disable()
    local after = insert_maps()
    for _, list in ipairs({ before, after }) do
      for _, map in ipairs(list) do
        map.lnum, map.sid, map.scriptversion = nil, nil, nil
        map.callback = map.callback and true
      end
    end
    eq(before, after)
  end
  local raw = vim.api.nvim_replace_termcodes('i<Tab><Esc>', true, true, true)
  vim.api.nvim_feedkeys(raw, 'xt', false)
  ok(called)
end)

it('does not delete a mapping that was made meanwhile', function()
  vim.cmd('enew!')
  keymaps.enable(vim.api.nvim_get_current_buf(), actions)
  vim.api.nvim_buf_set_keymap(0, 'i', '<Tab>', 'theirs', {})
  keymaps.disable()
  eq('theirs', insert_maps()[1].rhs)
end)

it('shadows a global mapping only while it is there', function()
  vim.api.nvim_set_keymap('i', '<Tab>', 'global', {})
  type_keys('<Tab>')
  eq('accept', pressed)
  vim.cmd('enew!')
  local raw = vim.api.nvim_replace_termcodes('i<Tab><Esc>', true, true, true)
  vim.api.nvim_feedkeys(raw, 'xt', false)
  eq('global', vim.api.nvim_get_current_line())
  vim.api.nvim_del_keymap('i', '<Tab>')
end)
