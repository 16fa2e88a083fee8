select expires_at from spent_installs where nonce = $1
