# Calls without credentials, which must be refused and recorded, and looks for the record in the journal of the
# replica that answered. Nothing secret is sent to the public listener, so its certificate is not checked.
answer=$(curl --silent --show-error --insecure --max-time 20 --request POST --output /dev/null \
  --write-out '%{http_code} %{remote_ip} %header{gateway-audit-id}' \
  "$SCHEME://$HOST:$PUBLIC_PORT/transfers/b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0/ac4a9d22-ba07-444e-890f-cfe084eed498/reject")
echo "answered: $answer"
set -- $answer
[ "$1" = 401 ] || { echo "a call without credentials must be answered 401"; exit 1; }
[ -n "${3:-}" ] || { echo "the answer names no audit record"; exit 1; }
[ "$READ_RECORD" = true ] || { echo "refused; its record $3 was not asked for (test.readRecord)"; exit 0; }

case $2 in *:*) replica="[$2]" ;; *) replica=$2 ;; esac
# The token goes in by a pipe, for arguments can be seen.
found=$({ printf 'header = "Authorization: Bearer '; tr -d '\n' <"$TOKEN_FILE"; printf '"\n'; } |
  curl --silent --show-error --max-time 20 --config - --write-out '\n%{http_code}' \
    "http://$replica:$ADMIN_PORT/audit/records?audit_id=$3")
echo "found: $found"
case $found in
  *"$3"*200) echo "refused, and recorded" ;;
  *) echo "the journal did not show the record $3"; exit 1 ;;
esac
