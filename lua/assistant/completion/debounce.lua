--- One timer: what is put off is done once, unless something else happens first.
local M = {}

local timer = require('assistant.compat').uv.new_timer()
--- Raised by every stop, because a callback that is already on its way can't be taken back.
local generation = 0

--- Forgets what was put off.
function M.stop()
  generation = generation + 1
  timer:stop()
end

--- Calls `fn` after `delay_ms`, at once for 0, in place of what was put off before.
---@param delay_ms integer
---@param fn fun()
function M.put_off(delay_ms, fn)
  M.stop()
  if delay_ms == 0 then
    fn()
    return
  end
  local mine = generation
  timer:start(delay_ms, 0, function()
    vim.schedule(function()
      if mine == generation then
        fn()
      end
    end)
  end)
end

return M
