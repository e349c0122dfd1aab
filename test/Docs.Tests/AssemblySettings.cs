// Programs and commands are run in a current directory, which is one for the whole process.
[assembly: DoNotParallelize]
