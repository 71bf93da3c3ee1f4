-- Whose name a mail bears. A signature of ours says that From is true: so it must be, for all who log in and all scripts.

local function from_loopback(task)
  local ip = task:get_from_ip()
  return ip and ip:is_valid() and tostring(ip) == '127.0.0.1'
end

local function envelope_sender(task)
  local from = task:get_from('smtp')
  return from and from[1] and from[1].addr or ''
end

-- The one address of From; nil where there are several, none, or something that programs read differently.
local function author(task)
  local _, lines = ('\n' .. tostring(task:get_raw_headers())):gsub('\n[Ff][Rr][Oo][Mm][ \t]*:', '')
  local text = task:get_header_raw('From')
  if lines ~= 1 or not text then
    return nil
  end
  text = tostring(text):gsub('\\.', '!')
  text = text:gsub('"[^"]*"', '!')
  local address = text:match('^[^<>,;:@"]*<%s*([^<>,;:"()%s]+)%s*>%s*$')
    -- Without brackets; devices put a name behind it.
    or text:match('^%s*([^<>,;:"()%s]+)%s*$')
    or text:match('^%s*([^<>,;:"()%s]+)%s+%([^<>,;:"()@]*%)%s*$')
  return address and address:lower()
end

local NOT_YOURS = 'From must be the address that you send with, and no other / Dong From phai la dia chi thu cua chinh ban'

-- Postfix has checked that the sender is the login's; an empty one says nothing (receipts).
local function of_holder(task, login)
  local sender = envelope_sender(task)
  if author(task) ~= (sender ~= '' and sender or login):lower() then
    task:set_pre_result('reject', NOT_YOURS)
  end
end

-- What a script of Dovecot forwards is somebody else's text: it is not signed as ours, and stays in the domain (R2, 3.1). Refused, it
-- stays in the holder's INBOX.
local function forwarded(task)
  task:disable_symbol('DKIM_SIGNED')
  for _, recipient in ipairs(task:get_recipients('smtp') or {}) do
    if recipient.domain:lower() ~= '@DOMAIN@' then
      task:set_pre_result('reject', 'Mail is forwarded inside @DOMAIN@ only')
      return
    end
  end
end

-- An answer bears its holder's name, whatever the script says (:from, :mime), and then has no sender (30-sieve.conf). What has none from
-- the beginning is a refusal (the command reject), which Dovecot signs as postmaster.
local function of_script(task)
  local sender = envelope_sender(task):lower()
  local answer = (task:get_header('Auto-Submitted') or ''):lower():find('^auto%-replied')
  if author(task) ~= (sender ~= '' and sender or 'postmaster@@DOMAIN@') or (sender ~= '' and not answer) then
    task:set_pre_result('reject', NOT_YOURS)
  elseif sender ~= '' then
    task:set_milter_reply({ change_from = '<>' })
  end
end

rspamd_config:register_symbol {
  name = 'AUTHOR',
  type = 'prefilter',
  callback = function(task)
    local login = task:get_user()
    if login then
      of_holder(task, login)
    elseif from_loopback(task) then
      if task:has_header('X-Sieve-Redirected-From') then
        forwarded(task)
      else
        of_script(task)
      end
    end
  end
}
