-- What a script of Dovecot forwards stays in the domain (R2, 3.1). Postfix refuses a holder's forward by its sender (master.cf);
-- a forwarded bounce has none, as an answer has, and only its header tells them apart. Refused, it stays in the holder's INBOX.
-- A forwarded mail is somebody else's text: it is not signed as ours.
rspamd_config:register_symbol {
  name = 'FORWARDED_OUTSIDE',
  type = 'prefilter',
  callback = function(task)
    local ip = task:get_from_ip()
    if not ip or not ip:is_valid() or tostring(ip) ~= '127.0.0.1' or not task:has_header('X-Sieve-Redirected-From') then
      return
    end
    task:disable_symbol('DKIM_SIGNED')
    for _, recipient in ipairs(task:get_recipients('smtp') or {}) do
      if recipient.domain:lower() ~= '@DOMAIN@' then
        task:set_pre_result('reject', 'Mail is forwarded inside @DOMAIN@ only')
        return
      end
    end
  end
}
