"""Named test keys of the grader's mints (2 048 bits, made once: making one takes a second). For nothing else."""

from blinding import Secret, secret_from

_ALMATY_P = int(
    "bffdcd8a139fe8b06bd56aa7c66b2e79f357b8ce35a23cb238f7f936051b0b7c8613596ebc5da56806851e1cb1d31462"
    "87365af318cdb1bfedfce4418ee87bd78181f3a9655f12c67f0a042795360fd7169e9084d4aaedb886116b1a20a8aa50"
    "84d60c7d490205a8b4555ab271207cb0b0dae7efa5e3578a6fbbe58ed4f409b9",
    16,
)
_ALMATY_Q = int(
    "b63bb8202c20184e607cb9fb8cf7ba5c04009b7443589134c7b33b0a10b4e1468d8eccdde08dddee992e1d3df27a7fa0"
    "7a8ec5c9b08d55ddf27bbe19cfa432216ffb2b78c1064f3f06008ad1d298941deaee9a3b12ea5f43427d53ae275c3cc0"
    "0adeec6c23d94113747bc9feef325c66431c9edeabe988528c4a7ba78b7f95f7",
    16,
)
_TARAZ_P = int(
    "c5564c828561fe69ed83434a947c982409ddeed762a41763505fdd6d0daa8bbd4f3131f245981f32a994afc2ef7abb2e"
    "7519f97288211c393b07d3213691eb3db43e3c07fa4c3f41d2508ca21970a363145c45294be67ffc65debc33ecfb1ec2"
    "0c2019fc9f2d4ee8b4e77d0712dcf923b44cac10d744a71f1486d17e57fe8f2b",
    16,
)
_TARAZ_Q = int(
    "ba9c448cba9fed84936023ee3bebc95cf33891d2808c6351edc5ef07d50c8c0bbb0a0a0e333b93713c9afa3569a195a5"
    "b97b039cd4c6d643823e07b510ad98347c747e99b20893dccc70a1667c0bada30cc2d752ce5bd37668f0a1607a8dedc4"
    "2a0abf0cf0b2467ffb055dd9d661cddeb3fa8074e2fb96c7e93faf3247b29d5b",
    16,
)
_SEMEY_P = int(
    "f1472e75945322de967312b4823d0ab439518d933bd0d78ac1b366018238f82a68493440d29818617bfb9aede9bfe663"
    "46c0af9049cf54c1c9b881788ca1b40740f88e5db5e257262097588cb893762712c4320a1ea4d7d2333278d60fa3389d"
    "0af078e3d812d5ada5ce15e25caff26d13331521c0d37e05571d703048befff1",
    16,
)
_SEMEY_Q = int(
    "d1e75dfd13e731ee87b6047e5b8bbf81b7388b3ab48365395b08b9ebbebb20ed06e80c75dc2154a0e65c2b3518793170"
    "851ff9c3bbc51fd3213113765e3f7358b53eb91b786d91f9aa4dac02790fde2ac8126ae8c58eaefd46db4e34634a1d13"
    "b0f4db385a126cf3f65b59212677a56a98fc50338a9f8c1e67e987d2d08adbbf",
    16,
)

KEYS: dict[str, Secret] = {
    "Almaty": secret_from(_ALMATY_P, _ALMATY_Q),
    "Taraz": secret_from(_TARAZ_P, _TARAZ_Q),
    "Semey": secret_from(_SEMEY_P, _SEMEY_Q),
}


def key_for(seed: int) -> Secret:
    """The key of a world."""
    return KEYS[sorted(KEYS)[seed % len(KEYS)]]
