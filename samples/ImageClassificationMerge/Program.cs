using ImageClassificationMerge;

return await CommandLine.Create().Parse(args).InvokeAsync();
