namespace Hdrq.Samples.Data;

/// <summary>What a data folder holds of each split of each domain.</summary>
/// <typeparam name="T">What stands for one image.</typeparam>
internal sealed class DomainFiles<T>
{
    private readonly string _root;
    private readonly IReadOnlyList<string> _domains;
    private readonly Dictionary<(string Domain, DataSplit Split), IReadOnlyList<T>> _files = [];

    /// <summary>Scans all splits of all domains.</summary>
    /// <param name="root">The data folder.</param>
    /// <param name="domains">Its domains.</param>
    /// <param name="scan">Scans one folder, which may not be there.</param>
    public DomainFiles(string root, IReadOnlyList<string> domains, Func<string, string, IReadOnlyList<T>> scan)
    {
        (_root, _domains) = (root, domains);
        foreach (var domain in domains)
        {
            foreach (var split in DataSplits.All)
                _files.Add((domain, split), scan(domain, Path.Combine(root, domain, split.FolderName())));
        }
    }

    /// <summary>What one split of a domain holds.</summary>
    /// <exception cref="ArgumentException">The folder has no such domain.</exception>
    public IReadOnlyList<T> this[string domain, DataSplit split] =>
        _files.TryGetValue((domain, split), out var files)
            ? files
            : throw new ArgumentException($"'{_root}' has no domain '{domain}'; it has {string.Join(", ", _domains)}.", nameof(domain));
}
