"""A test key for playing at home. Everybody knows its primes: it is worth nothing and for nothing else."""

from blinding import Secret, secret_from

_PLAY_P = int(
    "d97af4f2f913ea7a5304d18d81a2137d5eb87785f6ca6d2b90044981a99a8ebd7d4e9d03fc121e5b5440237d1d2fcd60"
    "a85a96758cd84bb700aec2eaf3b70ec9f5c81d35f0f13216b5ea92e94d6c9dfcf15b6a0d832838c6d1633b1b43e1ec22"
    "7f5c0b75e35768ef88be565eb23fc75cdf06f1a81500a8f588c96d364719b331",
    16,
)
_PLAY_Q = int(
    "d20f4f12a1819311686a966507f7cf4c5a38293239186d1c75d86256f6aa3888837873f5ab7fccd02c6c15ae51dd625e"
    "3972cf8257582e746b05501589e62071d773b102f93e116ccd5e44cdea8b474c9acff2d55f7d03d5f7f6ac5ee3c23104"
    "1fc71b3e2d81bf83d770f2e7d154a1b98ea4903faab50736d8619ab9e9028bef",
    16,
)

PLAY: Secret = secret_from(_PLAY_P, _PLAY_Q)
"""The mint's key when you play."""
