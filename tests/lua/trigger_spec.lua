local trigger = require('assistant.completion.trigger')

local function view(changes)
  return vim.tbl_extend('force', {
    kind = 2,
    is_enabled = true,
    is_eligible = true,
    is_recording = false,
    is_menu_visible = false,
    mode = 'i',
    filetype = 'lua',
    filetypes = {},
    right = '',
  }, changes)
end

it('asks at the end of a line', function()
  ok((trigger.allows(view({}))))
end)

it('does not ask by itself in these cases', function()
  local cases = {
    { is_enabled = false },
    { is_eligible = false },
    { is_recording = true },
    { is_menu_visible = true },
    { mode = 'n' },
    { mode = 'ic' },
    { mode = 'R' },
    { filetypes = { lua = false } },
    { filetypes = { ['*'] = false } },
    { right = 'nine char' .. 's' },
  }
  for _, changes in ipairs(cases) do
    local allowed, reason = trigger.allows(view(changes))
    eq({ changes, false }, { changes, allowed })
    ok(reason)
  end
end)

it('asks before closing brackets and short rests', function()
  for _, right in ipairs({ ')', '"), }]);', ' + b', '日本語日本語日本' }) do
    eq({ right, true }, { right, (trigger.allows(view({ right = right }))) })
  end
end)

it('asks when told to, where it would not by itself', function()
  local changes = { kind = 1, is_enabled = false, right = 'a long rest of line', filetypes = {} }
  ok((trigger.allows(view(changes))))
  ok(not trigger.allows(view({ kind = 1, is_eligible = false })))
end)

it('lets a filetype be on where the others are off', function()
  ok((trigger.is_filetype_on({ ['*'] = false, lua = true }, 'lua')))
  ok(not trigger.is_filetype_on({ ['*'] = false, lua = true }, 'python'))
end)

it('takes a fixed debounce as given', function()
  eq(0, trigger.new_rhythm():delay_ms(0))
  eq(900, trigger.new_rhythm():delay_ms(900))
end)

it('adapts the debounce to the speed of typing, within its limits', function()
  local function typist(pause_ms)
    local rhythm = trigger.new_rhythm()
    for key = 0, 40 do
      rhythm:key(key * pause_ms)
    end
    return rhythm:delay_ms('auto')
  end
  eq(75, trigger.new_rhythm():delay_ms('auto'))
  eq(75, typist(10))
  eq(120, typist(100))
  eq(300, typist(600))
  eq(75, typist(5000))
end)
