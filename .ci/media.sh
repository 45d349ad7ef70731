# ensure_media: what the tests of videos need besides npm's ffmpeg: a font for Chinese and a voice, from Debian where they are missing.
ensure_media() {
  local missing=""
  fc-list ":charset=68ee" file 2>/dev/null | grep -q . || missing="fontconfig fonts-wqy-zenhei"
  command -v espeak-ng >/dev/null || missing="$missing espeak-ng"
  [ -z "$missing" ] || install_packages $missing
}
