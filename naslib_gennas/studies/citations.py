"""What to cite for a proxy, as BibTeX."""

from __future__ import annotations

from typing import Dict, List, Sequence, Tuple

# Key: authors, title, where, year, number on arXiv ("" where there is none).
_PAPERS: Dict[str, Tuple[str, str, str, int, str]] = {
    "li2021gennas": (
        "Li, Yuhong and Hao, Cong and Li, Pan and Xiong, Jinjun and Chen, Deming",
        "Generic Neural Architecture Search via Regression",
        "Advances in Neural Information Processing Systems",
        2021,
        "2108.01899",
    ),
    "abdelfattah2021zerocost": (
        "Abdelfattah, Mohamed S. and Mehrotra, Abhinav and Dudziak, {\\L}ukasz and Lane, Nicholas D.",
        "Zero-Cost Proxies for Lightweight {NAS}",
        "International Conference on Learning Representations",
        2021,
        "2101.08134",
    ),
    "krishnakumar2022suite": (
        "Krishnakumar, Arjun and White, Colin and Zela, Arber and Tu, Renbo and Safari, Mahmoud and Hutter, Frank",
        "{NAS-Bench-Suite-Zero}: Accelerating Research on Zero Cost Proxies",
        "Advances in Neural Information Processing Systems",
        2022,
        "2210.03230",
    ),
    "tanaka2020synflow": (
        "Tanaka, Hidenori and Kunin, Daniel and Yamins, Daniel L. K. and Ganguli, Surya",
        "Pruning neural networks without any data by iteratively conserving synaptic flow",
        "Advances in Neural Information Processing Systems",
        2020,
        "2006.05467",
    ),
    "cavagnero2023freerea": (
        "Cavagnero, Niccol{\\`o} and Robbiano, Luca and Caputo, Barbara and Averta, Giuseppe",
        "{FreeREA}: Training-Free Evolution-based Architecture Search",
        "Winter Conference on Applications of Computer Vision",
        2023,
        "2207.05135",
    ),
    "mellor2021naswot": (
        "Mellor, Joseph and Turner, Jack and Storkey, Amos and Crowley, Elliot J.",
        "Neural Architecture Search without Training",
        "International Conference on Machine Learning",
        2021,
        "2006.04647",
    ),
    "lopes2021epenas": (
        "Lopes, Vasco and Alirezazadeh, Saeid and Alexandre, Lu{\\'\\i}s A.",
        "{EPE-NAS}: Efficient Performance Estimation Without Training for Neural Architecture Search",
        "International Conference on Artificial Neural Networks",
        2021,
        "2102.08099",
    ),
    "lee2019snip": (
        "Lee, Namhoon and Ajanthan, Thalaiyasingam and Torr, Philip H. S.",
        "{SNIP}: Single-shot Network Pruning based on Connection Sensitivity",
        "International Conference on Learning Representations",
        2019,
        "1810.02340",
    ),
    "wang2020grasp": (
        "Wang, Chaoqi and Zhang, Guodong and Grosse, Roger",
        "Picking Winning Tickets Before Training by Preserving Gradient Flow",
        "International Conference on Learning Representations",
        2020,
        "2002.07376",
    ),
    "theis2018fisher": (
        "Theis, Lucas and Korshunova, Iryna and Tejani, Alykhan and Husz{\\'a}r, Ferenc",
        "Faster gaze prediction with dense networks and {Fisher} pruning",
        "arXiv preprint",
        2018,
        "1801.05787",
    ),
    "lin2021zennas": (
        "Lin, Ming and Wang, Pichao and Sun, Zhenhong and Chen, Hesen and Sun, Xiuyu and Qian, Qi and Li, Hao and "
        "Jin, Rong",
        "{Zen-NAS}: A Zero-Shot {NAS} for High-Performance Image Recognition",
        "International Conference on Computer Vision",
        2021,
        "2102.01063",
    ),
    "li2023zico": (
        "Li, Guihong and Yang, Yuedong and Bhardwaj, Kartikeya and Marculescu, Radu",
        "{ZiCo}: Zero-shot {NAS} via Inverse Coefficient of Variation on Gradients",
        "International Conference on Learning Representations",
        2023,
        "2301.11300",
    ),
    "jiang2023meco": (
        "Jiang, Tangyu and Wang, Haodi and Bie, Rongfang",
        "{MeCo}: Zero-Shot {NAS} with One Data and Single Forward Pass via Minimum Eigenvalue of Correlation",
        "Advances in Neural Information Processing Systems",
        2023,
        "",
    ),
    "peng2024swap": (
        "Peng, Yameng and Song, Andy and Fayek, Haytham M. and Ciesielski, Vic and Chang, Xiaojun",
        "{SWAP-NAS}: Sample-Wise Activation Patterns for Ultra-fast {NAS}",
        "International Conference on Learning Representations",
        2024,
        "2403.04161",
    ),
    "lee2024aznas": (
        "Lee, Junghyup and Ham, Bumsub",
        "{AZ-NAS}: Assembling Zero-Cost Proxies for Network Architecture Search",
        "Conference on Computer Vision and Pattern Recognition",
        2024,
        "2403.19232",
    ),
    "chen2021tenas": (
        "Chen, Wuyang and Gong, Xinyu and Wang, Zhangyang",
        "Neural Architecture Search on {ImageNet} in Four {GPU} Hours: A Theoretically Inspired Perspective",
        "International Conference on Learning Representations",
        2021,
        "2102.11535",
    ),
    "shu2022nasi": (
        "Shu, Yao and Cai, Shaofeng and Dai, Zhongxiang and Ooi, Beng Chin and Low, Bryan Kian Hsiang",
        "{NASI}: Label- and Data-agnostic Neural Architecture Search at Initialization",
        "International Conference on Learning Representations",
        2022,
        "2109.00817",
    ),
    "zhang2021rlnas": (
        "Zhang, Xuanyang and Hou, Pengfei and Zhang, Xiangyu and Sun, Jian",
        "Neural Architecture Search with Random Labels",
        "Conference on Computer Vision and Pattern Recognition",
        2021,
        "2101.11834",
    ),
}

# The beginning of a proxy's name: what it comes from.
_OF: Dict[str, Tuple[str, ...]] = {
    "gennas": ("li2021gennas",),
    "classification": ("li2021gennas",),
    "gennas-plus": ("li2021gennas", "lin2021zennas", "jiang2023meco", "peng2024swap"),
    "gennas-fewshot": ("li2021gennas", "lin2021zennas", "jiang2023meco", "peng2024swap"),
    "synflow": ("tanaka2020synflow", "abdelfattah2021zerocost"),
    "logsynflow": ("cavagnero2023freerea", "tanaka2020synflow"),
    "naswot": ("mellor2021naswot",),
    "jacob_cov": ("mellor2021naswot", "abdelfattah2021zerocost"),
    "epe_nas": ("lopes2021epenas",),
    "snip": ("lee2019snip", "abdelfattah2021zerocost"),
    "grasp": ("wang2020grasp", "abdelfattah2021zerocost"),
    "fisher": ("theis2018fisher", "abdelfattah2021zerocost"),
    "plain": ("abdelfattah2021zerocost",),
    "grad_norm": ("abdelfattah2021zerocost",),
    "l2_norm": ("abdelfattah2021zerocost",),
    "params": ("krishnakumar2022suite",),
    "flops": ("krishnakumar2022suite",),
    "zen": ("lin2021zennas",),
    "zico": ("li2023zico",),
    "meco": ("jiang2023meco",),
    "swap": ("peng2024swap",),
    "az": ("lee2024aznas",),
    "ntk_cond": ("chen2021tenas",),
    "linear_regions": ("chen2021tenas",),
    "nasi": ("shu2022nasi",),
    "rlnas": ("zhang2021rlnas",),
}
_ENSEMBLES = {"vote": ("abdelfattah2021zerocost",), "ranksum": (), "zsum": (), "ranklog": ("lee2024aznas",)}


def keys(proxy: str) -> List[str]:
    """The keys of the papers that a proxy comes from; of an ensemble, those of its parts too. Empty: none is known.

    >>> keys("vote:gennas-combo+snip")
    ['abdelfattah2021zerocost', 'li2021gennas', 'lee2019snip']
    """
    name = proxy.replace("naslib:", "")
    rule, colon, parts = name.partition(":")
    if colon and "gennas" not in rule:
        found = [*_ENSEMBLES.get(rule, ()), *(key for part in parts.split("+") for key in keys(part))]
        return list(dict.fromkeys(found))
    fitting = [start for start in _OF if name == start or name.startswith((f"{start}-", f"{start}_", f"{start}:"))]
    return list(_OF[max(fitting, key=len)]) if fitting else []


def bibtex(proxies: Sequence[str]) -> str:
    """BibTeX of all papers that some proxies come from, each once, with the proxies that it is for."""
    users: Dict[str, List[str]] = {"li2021gennas": []}  # the method of this package comes first
    for proxy in proxies:
        for key in keys(proxy):
            users.setdefault(key, []).append(proxy)
    return "\n".join(_entry(key, names) for key, names in users.items() if names)


def _entry(key: str, proxies: Sequence[str]) -> str:
    authors, title, venue, year, number = _PAPERS[key]
    kind = "misc" if venue == "arXiv preprint" else "inproceedings"
    rows = [("author", authors), ("title", title), ("year", str(year))]
    rows += [("booktitle", venue)] if kind == "inproceedings" else []
    rows += [("eprint", number), ("archiveprefix", "arXiv")] if number else []
    lines = [f"% {', '.join(proxies)}", f"@{kind}{{{key},", *(f"  {name} = {{{value}}}," for name, value in rows), "}"]
    return "\n".join(lines) + "\n"
