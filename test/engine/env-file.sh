# Sourced by up.sh: the images' names in the git-ignored .env that arbdeck reads.
# shellcheck shell=bash disable=SC2154  # variables of common.sh and images.sh

# Sets the four lines, each where it stood; every other line stays as it is.
write_env_file() {
  local file=$repo/.env before='' after
  [[ -e $file ]] || (umask 077 && : >"$file") # other lines may come to hold secrets
  before=$(cat "$file" && echo x)
  after=$(awk -v wanted="ARBDECK_IMAGE_BASE=${tags[node]} ARBDECK_IMAGE_REDIS=${tags[redis]} \
ARBDECK_IMAGE_RABBITMQ=${tags[rabbitmq]} ARBDECK_IMAGE_POSTGRES=${tags[postgres]}" '
    BEGIN {
      count = split(wanted, lines, " ")
      for (i = 1; i <= count; i++) { key = lines[i]; sub(/=.*/, "", key); keys[i] = key; line[key] = lines[i] }
    }
    {
      key = $0
      sub(/^[ \t]*(export[ \t]+)?/, "", key)
      sub(/[ \t]*=.*/, "", key)
      if (!(key in line)) print
      else if (!seen[key]++) print line[key]
    }
    END { for (i = 1; i <= count; i++) if (!seen[keys[i]]) print line[keys[i]] }
  ' "$file" && echo x)
  if [[ $after != "$before" ]]; then
    printf '%s' "${after%x}" >"$file"
    did+=('wrote .env')
  fi
  if git -C "$repo" rev-parse 2>/dev/null && ! git -C "$repo" check-ignore -q .env; then
    say 'warning: .env is not git-ignored; do not commit it'
  fi
}
